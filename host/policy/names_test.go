package policy_test

import (
	"errors"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// TestNamesAreTheModulesOwn: what one module calls "x" is nothing to another one,
// which can neither use nor replace nor delete it.
func TestNamesAreTheModulesOwn(t *testing.T) {
	grant := policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}}
	everywhere := &abi.Pods{NamespaceSelector: &abi.Selector{}}
	rule := &abi.PutRule{Name: "x", Spec: abi.RuleSpec{Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"x"}, AnyPeer: true, Action: abi.Allow}}
	one, other := policy.NewLayer("one", 1, grant, policy.Limits{}), policy.NewLayer("other", 2, grant, policy.Limits{})

	txn := one.Begin(false)
	for _, r := range []abi.Request{&abi.PutSet{Name: "x", Spec: everywhere}, rule} {
		if err := txn.Stage(r); err != nil {
			t.Fatal(err)
		}
	}
	one.Commit(txn)

	txn = other.Begin(false)
	var refused *policy.StageError
	if err := txn.Stage(rule); !errors.As(err, &refused) || refused.Code != abi.UnknownSet {
		t.Errorf("a rule about another module's set: %v", err)
	}
	for _, r := range []abi.Request{
		&abi.PatchSet{Name: "x", Add: []abi.Block{{CIDR: "10.0.0.0/8"}}},
		&abi.DeleteRule{Name: "x"}, &abi.DeleteSet{Name: "x"},
		&abi.PutSet{Name: "x", Spec: &abi.Pods{Namespaces: []string{"mine"}}},
	} {
		_ = txn.Stage(r) // refused or not, it is about what is this module's own
	}
	other.Commit(txn)
	if set, there := one.Set("x"); !there || !policy.SameSet(set.Spec, everywhere) {
		t.Errorf("the first module's set is %+v", set)
	}
	if _, there := one.Rule("x"); !there {
		t.Error("the first module's rule is gone")
	}
	if size := other.Size(); size.Rules != 0 || size.Sets != 1 {
		t.Errorf("the second module holds %+v", size)
	}
}
