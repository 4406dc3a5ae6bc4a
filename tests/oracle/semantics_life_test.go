package oracle

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

func TestSemantics21NewestOwnerOfAnAddress(t *testing.T) {
	inv := inventory.New()
	addr := netip.MustParseAddr("10.0.0.1")
	put := func(name string) {
		inv.PutPod(inventory.Pod{Namespace: "one", Name: name, UID: name, Addresses: []netip.Addr{addr}})
	}
	owner := func(want string) {
		t.Helper()
		if p, _ := inv.Snapshot().PodByAddr(addr); p.Name() != want {
			t.Errorf("owner %q, want %q", p.Name(), want)
		}
	}
	put("old")
	put("new")
	owner("new")
	inv.DeletePod("one", "old")
	owner("new")
	put("newer")
	owner("newer")
	inv.DeletePod("one", "newer")
	owner("new")
}

func TestSemantics22AddressesFromCNI(t *testing.T) {
	inv := inventory.New()
	listed, given := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	inv.Attach("one", "a", []netip.Addr{given})
	inv.PutPod(inventory.Pod{Namespace: "one", Name: "a", Addresses: []netip.Addr{listed}})
	inv.PutPod(inventory.Pod{Namespace: "one", Name: "none"})
	s := inv.Snapshot()
	if p, there := s.PodByAddr(given); !there || p.Name() != "a" {
		t.Errorf("the address of CNI is not the Pod's")
	}
	if _, there := s.PodByAddr(listed); there {
		t.Errorf("the address of the object is still the Pod's")
	}
	if p, _ := s.Pod("one", "none"); p.Class() != 0 {
		t.Errorf("a Pod without an address is in class %d", p.Class())
	}
}

func TestSemantics23PolicyIsThereBeforeThePod(t *testing.T) {
	c := clusterOf(t, twoSpaces, policyOf("one", "p", "podSelector: {}"))
	view := viewOf(t, c)
	inv := inventory.New()
	addr := netip.MustParseAddr("10.0.0.7")
	inv.Attach("one", "late", []netip.Addr{addr})
	inv.PutPod(inventory.Pod{Namespace: "one", Name: "late"}) // as CNI ADD has it: no address in the object yet
	view.Inventory = inv.Snapshot()
	if v := policy.Evaluate(view, policy.Packet{Source: netip.MustParseAddr("8.8.8.8"), Destination: addr, Protocol: abi.TCP, Port: 80}); v.Allowed {
		t.Errorf("%+v", v)
	}
}

func TestSemantics24WholeOrNotAtAll(t *testing.T) {
	c := clusterOf(t, twoSpaces)
	view := viewOf(t, c)
	layer := view.Layers[0]
	txn := layer.Begin(false)
	p := clusterOf(t, "", policyOf("one", "p", "podSelector: {}\ningress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]")).Policies[0]
	for _, r := range translated(t, p) {
		stageAll(t, txn, []abi.Request{r})
		expectIn(t, c, view, "two/client > one/server TCP 80 allow")
	}
	commit(t, layer, txn)
	c.Policies = append(c.Policies, p)
	expectIn(t, c, view, `
		two/client > one/server TCP 80 deny
		one/client > one/server TCP 80 allow
	`)
}

func TestSemantics27DeletingTheLastPolicyReopens(t *testing.T) {
	c := clusterOf(t, twoSpaces, policyOf("one", "p", "podSelector: {}"))
	view := viewOf(t, c)
	expectIn(t, c, view, "two/client > one/server TCP 80 deny")
	c.Policies = nil
	txn := view.Layers[0].Begin(true)
	commit(t, view.Layers[0], txn)
	expectIn(t, c, view, "two/client > one/server TCP 80 allow")
}

func TestSemantics28ICMPIsPoliced(t *testing.T) {
	lines := "namespace one\npod one/a 10.0.0.1\npod one/b 10.0.0.2"
	const echo = "one/a > one/b ICMP 2048 " // type 8, code 0
	expect(t, clusterOf(t, lines, policyOf("one", "p", "podSelector: {}")), echo+"deny")
	expect(t, clusterOf(t, lines, policyOf("one", "p", "podSelector: {}\ningress: [{ports: [{port: 1, endPort: 65535}, {protocol: UDP}, {protocol: SCTP}]}]")), echo+"deny")
	expect(t, clusterOf(t, lines, policyOf("one", "p", "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]")), echo+"allow")
}

func TestSemantics31Tiers(t *testing.T) {
	c := clusterOf(t, twoSpaces)
	inv := viewOf(t, c).Inventory
	all := &abi.PutSet{Name: "all", Spec: &abi.Pods{NamespaceSelector: &abi.Selector{}}}
	rule := func(name string, tier abi.Tier, priority int32, action abi.Action) abi.Request {
		return &abi.PutRule{Name: name, Spec: abi.RuleSpec{
			Tier: tier, Direction: abi.Ingress, Priority: priority, Subjects: []string{"all"}, AnyPeer: true, Action: action,
			Origin: abi.Origin{Name: name},
		}}
	}
	isolation := &abi.PutIsolation{Name: "isolated", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"all"}, Origin: abi.Origin{Name: "isolated"}}}

	for _, test := range []struct {
		name   string
		layers []*policy.Layer
		want   string
		action abi.Action
	}{
		{"admin before network", []*policy.Layer{layerOf(t, "n", 0, all, isolation), layerOf(t, "a", 1, all, rule("admin", abi.Admin, 0, abi.Allow))}, "admin", abi.Allow},
		{"pass goes on to the next tier", []*policy.Layer{layerOf(t, "n", 0, all, isolation), layerOf(t, "a", 1, all, rule("admin", abi.Admin, 0, abi.Pass))}, "isolated", abi.Deny},
		{"pass leaves the isolation of its own tier", []*policy.Layer{layerOf(t, "n", 0, all, isolation, rule("pass", abi.Network, 0, abi.Pass))}, "", abi.Allow},
		{"network before baseline", []*policy.Layer{layerOf(t, "n", 1, all, isolation), layerOf(t, "b", 0, all, rule("baseline", abi.Baseline, 0, abi.Allow))}, "isolated", abi.Deny},
		{"baseline is asked last", []*policy.Layer{layerOf(t, "b", 0, all, rule("baseline", abi.Baseline, 0, abi.Deny))}, "baseline", abi.Deny},
		{"no implicit isolation", []*policy.Layer{layerOf(t, "b", 0, all)}, "", abi.Allow},
		{"higher priority first", []*policy.Layer{layerOf(t, "a", 0, all, rule("low", abi.Admin, 1, abi.Deny), rule("high", abi.Admin, 2, abi.Allow))}, "high", abi.Allow},
		{"deny wins a tie", []*policy.Layer{layerOf(t, "a", 0, all, rule("a", abi.Admin, 1, abi.Allow), rule("p", abi.Admin, 1, abi.Pass), rule("r", abi.Admin, 1, abi.Reject), rule("d", abi.Admin, 1, abi.Deny))}, "d", abi.Deny},
		{"reject before pass", []*policy.Layer{layerOf(t, "a", 0, all, rule("a", abi.Admin, 1, abi.Allow), rule("p", abi.Admin, 1, abi.Pass), rule("r", abi.Admin, 1, abi.Reject))}, "r", abi.Reject},
		{"pass before allow", []*policy.Layer{layerOf(t, "a", 0, all, rule("a", abi.Admin, 1, abi.Allow), rule("p", abi.Admin, 1, abi.Pass))}, "", abi.Allow},
		{"the operator's order of modules", []*policy.Layer{layerOf(t, "x", 2, all, rule("second", abi.Admin, 9, abi.Deny)), layerOf(t, "y", 1, all, rule("first", abi.Admin, 1, abi.Allow))}, "first", abi.Allow},
		{"another module's isolation", []*policy.Layer{layerOf(t, "x", 1, all, isolation), layerOf(t, "y", 2, all, rule("allowed", abi.Network, 0, abi.Allow))}, "allowed", abi.Allow},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 { // the order of the layers does not matter
				got := by(t, c, policy.View{Inventory: inv, Layers: test.layers}, "one/client > one/server TCP 80 ?").Ingress
				if got.Verdict != test.action || got.Origin.Name != test.want {
					t.Errorf("got %+v, want %q to %s", got, test.want, policy.ActionName(test.action))
				}
				slices.Reverse(test.layers)
			}
		})
	}
}

func TestSemantics32TooMuchIsRefusedAndNothingChanges(t *testing.T) {
	c := clusterOf(t, twoSpaces, policyOf("one", "p", "podSelector: {}"))
	layer := policy.NewLayer("networkpolicy", 0, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}}, policy.Limits{Rules: 2})
	txn := layer.Begin(true)
	stageAll(t, txn, translated(t, c.Policies[0]))
	commit(t, layer, txn)
	view := policy.View{Inventory: viewOf(t, c).Inventory, Layers: []*policy.Layer{layer}}

	txn = layer.Begin(false)
	big := clusterOf(t, "", policyOf("one", "big", "podSelector: {}\ningress: [{ports: [{port: 1}]}, {ports: [{port: 2}]}]")).Policies[0]
	var refused *policy.StageError
	for _, r := range translated(t, big) {
		if err := txn.Stage(r); err != nil && !errors.As(err, &refused) {
			t.Fatalf("%T", err)
		}
	}
	if refused == nil || refused.Code != abi.Quota || !strings.Contains(refused.Reason, "would hold 3 ") || !strings.Contains(refused.Reason, "may hold 2") {
		t.Fatalf("%v", refused)
	}
	expectIn(t, c, view, "two/client > one/server TCP 80 deny")
}
