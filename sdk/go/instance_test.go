package sluice

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

func TestEventsReachTheModule(t *testing.T) {
	m := &scripted{}
	in := NewInstance(m, &recorder{t: t})
	code := in.Handle(abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: 7, Reset: true, Events: []abi.Event{
		&abi.Configure{JSON: []byte("{}")},
		&abi.ObjectPut{Resource: "pods", Namespace: "n", Name: "p", JSON: []byte("{1}")},
		&abi.ObjectDelete{Resource: "pods", Namespace: "n", Name: "p"},
		&abi.Tick{UnixNanos: 5},
	}}))
	want := []string{"reset", "configure {}", "put pods/n/p {1}", "delete pods/n/p", "tick 5", "finish 7 true"}
	if code != abi.Commit || !reflect.DeepEqual(m.trace, want) {
		t.Errorf("code %d, got %q\nwant %q", code, m.trace, want)
	}
}

func TestErrorVoidsTheBatchButEventsGoOn(t *testing.T) {
	m := &scripted{put: func(tx *Tx, o Object) error {
		if o.Name == "bad" {
			return errScripted
		}
		return tx.PutRule(o.Name, abi.RuleSpec{})
	}}
	r := &recorder{t: t}
	in := NewInstance(m, r)
	code := in.Handle(abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: 1, Events: []abi.Event{
		&abi.ObjectPut{Name: "bad"}, &abi.ObjectPut{Name: "good"}, &abi.ObjectPut{Name: "bad"},
	}}))
	if code != abi.CannotDo {
		t.Errorf("code %d", code)
	}
	if len(m.trace) != 4 {
		t.Errorf("trace %q: every event must arrive", m.trace)
	}
	if r.calls != 0 {
		t.Errorf("emitted %s", r.names())
	}
	// A line for each object at fault, none for the one that was only told.
	if want := []string{"3 //bad: scripted", "3 //bad: scripted"}; !reflect.DeepEqual(r.logs, want) {
		t.Errorf("logs %q, want %q", r.logs, want)
	}
	if code := in.Handle(one); code != abi.Commit {
		t.Errorf("the next batch gives %d", code)
	}
}

func TestGarbageIsFatal(t *testing.T) {
	for name, b := range map[string][]byte{
		"head":  {0xff},
		"event": {0x1a, 0x02, 0x12, 0x05},
	} {
		in, r := start(t, nil)
		if code := in.Handle(b); code == abi.Commit || code == abi.CannotDo {
			t.Errorf("%s: code %d", name, code)
		}
		if len(r.logs) != 1 || !strings.Contains(r.logs[0], "batch: abi: EventBatch") {
			t.Errorf("%s: logs %q", name, r.logs)
		}
	}
}

func TestEmitInPieces(t *testing.T) {
	const n = 5000
	in, r := start(t, func(tx *Tx, _ Object) error {
		for range n {
			if err := tx.PutRule(strings.Repeat("x", 250), abi.RuleSpec{}); err != nil {
				return err
			}
		}
		return nil
	})
	if code := in.Handle(one); code != abi.Commit {
		t.Fatalf("code %d", code)
	}
	if len(r.got) != n {
		t.Errorf("%d requests arrive, want %d", len(r.got), n)
	}
	for _, size := range r.bytes {
		if size > chunk {
			t.Errorf("a piece has %d bytes", size)
		}
	}
	if len(r.bytes) < 5 || len(r.bytes) > 7 {
		t.Errorf("%d pieces", len(r.bytes))
	}
}

func TestRefusal(t *testing.T) {
	tries := 0
	in, r := start(t, func(tx *Tx, _ Object) error {
		for range 5000 {
			tries++
			if err := tx.PutRule(strings.Repeat("x", 250), abi.RuleSpec{}); err != nil {
				return err
			}
		}
		return nil
	})
	r.answer = func(call int) abi.EmitError {
		return []abi.EmitError{0, abi.OK, abi.Quota, abi.OK, abi.OK, abi.OK, abi.OK}[call]
	}
	if code := in.Handle(one); code != abi.CannotDo {
		t.Errorf("code %d", code)
	}
	if r.calls != 2 || tries > 2100 {
		t.Errorf("%d calls of emit, %d tries: nothing more should be asked for after a refusal", r.calls, tries)
	}
	if want := []string{"3 the host refuses: over a limit of this module (-4)"}; !reflect.DeepEqual(r.logs, want) {
		t.Errorf("logs %q, want %q", r.logs, want)
	}
}

func TestLargeSetIsSentInParts(t *testing.T) {
	blocks := make([]abi.Block, 3*blocksPerRequest+1)
	for i := range blocks {
		blocks[i] = abi.Block{CIDR: strings.Repeat("1", 1+i%40)}
	}
	for name, put := range map[string]func(tx *Tx) error{
		"put": func(tx *Tx) error { return tx.PutSet("s", &abi.Addresses{Blocks: blocks}) },
		"declare": func(tx *Tx) error {
			return tx.Declare("o", &abi.PutSet{Name: "s", Spec: &abi.Addresses{Blocks: blocks}})
		},
	} {
		in, r := start(t, func(tx *Tx, _ Object) error { return put(tx) })
		if code := in.Handle(one); code != abi.Commit {
			t.Fatalf("%s: code %d", name, code)
		}
		var arrived []abi.Block
		for i, q := range r.got {
			switch q := q.(type) {
			case *abi.PutSet:
				arrived = append(arrived, q.Spec.(*abi.Addresses).Blocks...)
				if i != 0 {
					t.Errorf("%s: the put is number %d", name, i)
				}
			case *abi.PatchSet:
				arrived = append(arrived, q.Add...)
			}
		}
		if !reflect.DeepEqual(arrived, blocks) || len(r.got) != 4 {
			t.Errorf("%s: %d blocks arrive in %d requests", name, len(arrived), len(r.got))
		}
	}
}
