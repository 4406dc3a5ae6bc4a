package sluice

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

// step is one batch: what owners declare in it, and what must be emitted.
type step struct {
	declare map[string][]abi.Request
	refuse  bool
	reset   bool
	want    string
}

func TestDeclare(t *testing.T) {
	type owners = map[string][]abi.Request
	shared := set("shared")
	for name, steps := range map[string][]step{
		"only what differs": {
			{declare: owners{"a": {set("s"), rule("r", 1), rule("q", 1)}}, want: "+set s, +rule r, +rule q"},
			{declare: owners{"a": {set("s"), rule("r", 1), rule("q", 1)}}, want: ""},
			{declare: owners{"a": {set("s"), rule("r", 2), rule("q", 1)}}, want: "+rule r"},
			{declare: owners{"a": {rule("q", 1)}}, want: "-rule r, -set s"},
			{declare: owners{"a": nil}, want: "-rule q"},
			{declare: owners{"a": nil}, want: ""},
		},
		"deletes come first, and sets before what refers to them": {
			{declare: owners{"a": {rule("r", 1), &abi.PutIsolation{Name: "i"}, set("s")}}, want: "+set s, +isolation i, +rule r"},
			{declare: owners{"a": {rule("q", 1), set("t")}}, want: "-rule r, -isolation i, -set s, +set t, +rule q"},
			{declare: owners{"a": nil}, want: "-rule q, -set t"},
		},
		"kinds have name spaces of their own": {
			{declare: owners{"a": {set("x"), rule("x", 1), &abi.PutIsolation{Name: "x"}}}, want: "+set x, +isolation x, +rule x"},
			{declare: owners{"a": {set("x")}}, want: "-rule x, -isolation x"},
		},
		"a shared set stays until the last lets go": {
			{declare: owners{"a": {shared}}, want: "+set shared"},
			{declare: owners{"b": {shared, shared}}, want: ""},
			{declare: owners{"a": nil}, want: ""},
			{declare: owners{"b": {shared}}, want: ""},
			{declare: owners{"b": nil}, want: "-set shared"},
		},
		"from one owner to another": {
			{declare: owners{"a": {rule("r", 1)}}, want: "+rule r"},
			{declare: owners{"a": nil}, refuse: true, want: "-rule r"},
			{declare: owners{"b": {rule("r", 1)}}, want: ""},
		},
		"what was refused is tried again": {
			{declare: owners{"a": {set("s")}}, want: "+set s"},
			{declare: owners{"a": {rule("r", 1)}}, refuse: true, want: "-set s, +rule r"},
			{declare: owners{"b": {rule("q", 1)}}, want: "-set s, +rule r, +rule q"},
			{want: ""},
		},
		"a refused change that is taken back": {
			{declare: owners{"a": {rule("r", 1)}}, want: "+rule r"},
			{declare: owners{"a": {rule("r", 2)}}, refuse: true, want: "+rule r"},
			{declare: owners{"a": {rule("r", 1)}}, want: ""},
		},
		"a reset puts everything again and deletes nothing": {
			{declare: owners{"a": {set("s"), rule("r", 1)}}, want: "+set s, +rule r"},
			{reset: true, declare: owners{"a": {rule("r", 1)}}, want: "+rule r"},
			{declare: owners{"a": nil}, want: "-rule r"},
		},
		"a report is sent when it changes": {
			{declare: owners{"a": {&abi.Report{Condition: abi.Condition{Type: "T", Reason: "A"}}}}, want: "report A"},
			{declare: owners{"a": {&abi.Report{Condition: abi.Condition{Type: "T", Reason: "A"}}}}, want: ""},
			{declare: owners{"a": {&abi.Report{Condition: abi.Condition{Type: "T", Reason: "B"}}}}, want: "report B"},
			{declare: owners{"a": nil}, want: ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var now step
			r := &recorder{t: t}
			in := NewInstance(&scripted{finish: func(tx *Tx) error {
				for owner, requests := range now.declare {
					if err := tx.Declare(owner, requests...); err != nil {
						return err
					}
				}
				return nil
			}}, r)
			for i, s := range steps {
				now = s
				r.answer = nil
				wantCode := abi.Commit
				if s.refuse {
					r.answer = func(int) abi.EmitError { return abi.Quota }
					wantCode = abi.CannotDo
				}
				code := in.Handle(abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: uint64(i), Reset: s.reset}))
				if got := r.names(); got != s.want || code != wantCode {
					t.Errorf("batch %d: emits %q and returns %d\nwant  %q and %d", i, got, code, s.want, wantCode)
				}
			}
			leak(t, in)
		})
	}
}

// leak checks that entries exist exactly for what owners declare.
func leak(t *testing.T, in *Instance) {
	t.Helper()
	d := &in.declared
	if len(d.dirty) != 0 {
		t.Errorf("%d entries are still dirty", len(d.dirty))
	}
	refs := map[*entry]int32{}
	for owner, list := range d.owners {
		if len(list) == 0 {
			t.Errorf("owner %s stands for nothing", owner)
		}
		for _, e := range list {
			refs[e]++
		}
	}
	for _, entries := range d.entries {
		for name, e := range entries {
			if e.refs == 0 || e.refs != refs[e] || e.wanted == "" || e.wanted != e.inForce {
				t.Errorf("%v %s: %d references, %d counted, wanted %q, in force %q", e.kind, name, e.refs, refs[e], e.wanted, e.inForce)
			}
			delete(refs, e)
		}
	}
	if len(refs) != 0 {
		t.Errorf("%d entries have been forgotten", len(refs))
	}
}

func TestDeclareConflicts(t *testing.T) {
	in, r := start(t, nil)
	tx := &in.tx
	declare := func(owner string, requests ...abi.Request) error { return tx.Declare(owner, requests...) }
	if err := declare("a", rule("r", 1)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		owner    string
		requests []abi.Request
		want     string
	}{
		{"two owners", "b", []abi.Request{set("new"), rule("r", 2)}, "rule r is declared by b and by a with different content"},
		{"one owner", "b", []abi.Request{rule("q", 1), rule("q", 2)}, "rule q is declared by b twice, with different content"},
		{"not declarable", "b", []abi.Request{set("new"), &abi.DeleteSet{Name: "s"}}, "b: only PutSet, PutRule, PutIsolation and Report can be declared: deletes follow by themselves"},
	} {
		err := declare(c.owner, c.requests...)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	var conflict *ConflictError
	if err := declare("b", rule("r", 3)); !errors.As(err, &conflict) || conflict.Other != "a" {
		t.Errorf("%v is no ConflictError", err)
	}
	// An owner may change its own.
	if err := declare("a", rule("r", 5)); err != nil {
		t.Error(err)
	}
	if code := in.Handle(one); code != abi.Commit {
		t.Fatalf("code %d", code)
	}
	if got, want := r.names(), "+rule r"; got != want {
		t.Errorf("emits %q, want %q", got, want)
	}
	leak(t, in)
}

// TestDeclareRandom compares with a host that applies what it is told: after any
// history of declarations, refusals and resets it has exactly what the owners
// want.
func TestDeclareRandom(t *testing.T) {
	for seed := range uint64(200) {
		g := rand.New(rand.NewPCG(seed, 3))
		want := map[string][]abi.Request{}
		host := map[string]string{}
		r := &recorder{t: t}
		in := NewInstance(&scripted{finish: func(tx *Tx) error {
			if tx.Reset() {
				want = map[string][]abi.Request{}
			}
			for range g.IntN(6) {
				owner := fmt.Sprint("owner", g.IntN(4))
				var list []abi.Request
				for range g.IntN(4) {
					list = append(list, rule(fmt.Sprint("r", g.IntN(3)), int32(g.IntN(2))), set(fmt.Sprint("s", g.IntN(3))))
				}
				if err := tx.Declare(owner, list...); err == nil {
					want[owner] = list
				}
			}
			return nil
		}}, r)
		for n := range 60 {
			reset := g.IntN(10) == 0
			refused := !reset && g.IntN(3) == 0
			r.answer = nil
			if refused {
				r.answer = func(int) abi.EmitError { return abi.Quota }
			}
			code := in.Handle(abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: uint64(n), Reset: reset}))
			got := r.got
			r.got = nil
			if code != abi.Commit {
				continue
			}
			if reset {
				host = map[string]string{}
			}
			for _, q := range got {
				switch q := q.(type) {
				case *abi.PutSet:
					host["set "+q.Name] = string(abi.AppendRequest(nil, q))
				case *abi.PutRule:
					host["rule "+q.Name] = string(abi.AppendRequest(nil, q))
				case *abi.DeleteSet:
					if _, ok := host["set "+q.Name]; !ok {
						t.Fatalf("seed %d: set %s is deleted, but is not there", seed, q.Name)
					}
					delete(host, "set "+q.Name)
				case *abi.DeleteRule:
					delete(host, "rule "+q.Name)
				}
			}
			total := map[string]string{}
			for _, list := range want {
				for _, q := range list {
					_, name, err := kindOf(q)
					if err != nil {
						t.Fatal(err)
					}
					kind := "rule "
					if _, ok := q.(*abi.PutSet); ok {
						kind = "set "
					}
					total[kind+name] = string(abi.AppendRequest(nil, q))
				}
			}
			if fmt.Sprint(total) != fmt.Sprint(host) {
				t.Fatalf("seed %d, batch %d: the host has\n%q\nwanted is\n%q", seed, n, host, total)
			}
			leak(t, in)
		}
	}
}

func BenchmarkDeclareUnchanged(b *testing.B) {
	in := NewInstance(&scripted{}, &recorder{})
	list := []abi.Request{set("s"), rule("r", 1), rule("q", 2)}
	b.ReportAllocs()
	for b.Loop() {
		if err := in.tx.Declare("owner", list...); err != nil {
			b.Fatal(err)
		}
	}
}
