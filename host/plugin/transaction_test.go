package plugin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

func may() *effective {
	return &effective{
		grant:  policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}},
		limits: abi.Limits{Rules: 3, Sets: 3, Addresses: 3},
	}
}

func layer() *policy.Layer {
	all := policy.Grant{Tiers: []abi.Tier{abi.Admin, abi.Network}, Actions: []abi.Action{abi.Allow, abi.Deny}}
	return policy.NewLayer("m", 0, all, policy.Limits{})
}

func encode(requests ...abi.Request) (b []byte) {
	for _, r := range requests {
		b = abi.AppendRequest(b, r)
	}
	return b
}

func set(name string) abi.Request {
	return &abi.PutSet{Name: name, Spec: &abi.Pods{Namespaces: []string{"default"}}}
}

func rule(name, subject string, tier abi.Tier, action abi.Action) abi.Request {
	return &abi.PutRule{Name: name, Spec: abi.RuleSpec{Tier: tier, Direction: abi.Ingress, Subjects: []string{subject}, AnyPeer: true, Action: action}}
}

func TestEmit(t *testing.T) {
	good := encode(set("s"), rule("r", "s", abi.Network, abi.Allow))
	for name, c := range map[string]struct {
		emits   [][]byte
		answers []abi.EmitError
		rules   []string
		reason  string
	}{
		"good":      {[][]byte{good}, []abi.EmitError{abi.OK}, []string{"r"}, ""},
		"nothing":   {[][]byte{{}}, []abi.EmitError{abi.OK}, nil, ""},
		"garbage":   {[][]byte{good, []byte("\xff\xff\xff")}, []abi.EmitError{abi.OK, abi.Malformed}, []string{"r"}, "abi:"},
		"half good": {[][]byte{append(slices.Clone(good), 0xff)}, []abi.EmitError{abi.Malformed}, nil, "abi:"},
		"refused in the middle": {
			[][]byte{good, encode(rule("q", "s", abi.Network, abi.Allow), rule("p", "nobody", abi.Network, abi.Allow))},
			[]abi.EmitError{abi.OK, abi.UnknownSet},
			[]string{"r"},
			`rule "p"`,
		},
		"tier not granted":   {[][]byte{good, encode(rule("a", "s", abi.Admin, abi.Allow))}, []abi.EmitError{abi.OK, abi.NotGranted}, []string{"r"}, `rule "a": its tier`},
		"action not granted": {[][]byte{good, encode(rule("a", "s", abi.Network, abi.Deny))}, []abi.EmitError{abi.OK, abi.NotGranted}, []string{"r"}, `rule "a": its action`},
		"isolation not granted": {
			[][]byte{good, encode(&abi.PutIsolation{Name: "i", Spec: abi.IsolationSpec{Tier: abi.Admin, Direction: abi.Ingress, Subjects: []string{"s"}}})},
			[]abi.EmitError{abi.OK, abi.NotGranted},
			[]string{"r"},
			`isolation "i": its tier`,
		},
		"over its own limit": {
			[][]byte{good, encode(set("t"), set("u"), set("v")), encode(set("t"))},
			[]abi.EmitError{abi.OK, abi.Quota, abi.OK},
			[]string{"r"},
			`would hold 4 sets`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := layer()
			tx := begin(l, true, may())
			for i, raw := range c.emits {
				scratch := slices.Clone(raw)
				code, err := tx.emit(scratch, len(scratch))
				if code != c.answers[i] || err != nil {
					t.Errorf("emit %d answers %v, %v; want %v", i, code, err, c.answers[i])
				}
				clear(scratch) // the buffer is the sandbox's
			}
			if c.reason != "" && (tx.refusal == nil || !strings.Contains(tx.refusal.Error(), c.reason)) {
				t.Errorf("the refusal is %v", tx.refusal)
			}
			// Staging it all once more says the same.
			for round := range 2 {
				if err := tx.check(); err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, r := range tx.txn.Delta().PutRules {
					names = append(names, r.Name)
				}
				if !slices.Equal(names, c.rules) {
					t.Errorf("round %d: the rules are %q", round, names)
				}
				if err := tx.restage(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestRunaway(t *testing.T) {
	ends := func(t *testing.T, emit func(tx *transaction, i int) error) {
		t.Helper()
		tx := begin(layer(), true, may())
		for i := range 2_000_000 {
			if err := emit(tx, i); err != nil {
				var f *sandbox.Failure
				if !errors.As(err, &f) || f.Kind != sandbox.FaultProtocol {
					t.Errorf("the error is %v", err)
				}
				t.Log(err)
				return
			}
		}
		t.Error("it goes on for ever")
	}
	one := func(tx *transaction, b []byte) error {
		_, err := tx.emit(b, len(b))
		return err
	}
	t.Run("empty calls", func(t *testing.T) { ends(t, func(tx *transaction, _ int) error { return one(tx, nil) }) })
	t.Run("bytes", func(t *testing.T) {
		garbage := make([]byte, 1<<20)
		ends(t, func(tx *transaction, _ int) error { return one(tx, garbage) })
	})
	t.Run("rewinds", func(t *testing.T) {
		ends(t, func(tx *transaction, i int) error {
			return one(tx, encode(set(fmt.Sprint(i%2)), rule("p", "nobody", abi.Network, abi.Allow)))
		})
	})
	t.Run("requests", func(t *testing.T) {
		many := encode(slices.Repeat([]abi.Request{&abi.DeleteRule{Name: "x"}}, 100_000)...)
		ends(t, func(tx *transaction, _ int) error { return one(tx, many) })
	})
}

// A call that was too large for the sandbox to pass on is refused all the same.
func TestTooLarge(t *testing.T) {
	tx := begin(layer(), true, may())
	if code, err := tx.emit(nil, sandbox.MaxEmitSize+1); code != abi.TooLarge || err != nil || tx.refusal == nil {
		t.Errorf("it answers %v, %v", code, err)
	}
}

func TestCut(t *testing.T) {
	m := &abi.Manifest{
		Resources: []string{"pods", "secrets"}, Tiers: []string{"admin", "network"}, Actions: []string{"allow", "deny"},
		Limits: &abi.Limits{MemoryMiB: 16, Rules: 10, Sets: 1000},
	}
	e, err := cut(m, Grant{Resources: []string{"pods", "nodes"}, Tiers: []string{"network"}, Actions: []string{"allow", "deny", "pass"}},
		abi.Limits{MemoryMiB: 64, BatchMillis: 2000, SnapshotMillis: 9000, Rules: 100, Sets: 100, Addresses: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.resources) != 1 || !e.resources["pods"] {
		t.Errorf("resources: %v", e.resources)
	}
	if !slices.Equal(e.grant.Tiers, []abi.Tier{abi.Network}) || !slices.Equal(e.grant.Actions, []abi.Action{abi.Allow, abi.Deny}) {
		t.Errorf("grant: %+v", e.grant)
	}
	if want := (abi.Limits{MemoryMiB: 16, BatchMillis: 2000, SnapshotMillis: 9000, Rules: 10, Sets: 100, Addresses: 5}); e.limits != want {
		t.Errorf("limits: %+v", e.limits)
	}
	if want := []string{"resource secrets", "tier admin"}; !slices.Equal(e.notGranted, want) {
		t.Errorf("not granted: %q", e.notGranted)
	}
}
