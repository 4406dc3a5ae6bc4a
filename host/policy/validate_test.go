package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

func everything() policy.Grant {
	return policy.Grant{
		Tiers:   []abi.Tier{abi.Admin, abi.Network, abi.Baseline},
		Actions: []abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass},
	}
}

func newLayer() *policy.Layer { return policy.NewLayer("m", 0, everything(), policy.Limits{}) }

func pods(namespaces ...string) *abi.Pods { return &abi.Pods{Namespaces: namespaces} }

func stage(t testing.TB, txn *policy.Txn, requests ...abi.Request) {
	t.Helper()
	for _, r := range requests {
		if err := txn.Stage(r); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
	}
}

func allowing(change func(*abi.RuleSpec)) *abi.PutRule {
	r := &abi.PutRule{Name: "r", Spec: abi.RuleSpec{
		Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"pods"}, AnyPeer: true, Action: abi.Allow,
	}}
	if change != nil {
		change(&r.Spec)
	}
	return r
}

func port(p abi.Port) *abi.PutRule {
	return allowing(func(r *abi.RuleSpec) { r.Ports = []abi.Port{p} })
}

func selecting(r abi.Requirement) *abi.PutSet {
	return &abi.PutSet{Name: "s", Spec: &abi.Pods{Namespaces: []string{"a"}, PodSelector: abi.Selector{Requirements: []abi.Requirement{r}}}}
}

func addresses(blocks ...abi.Block) *abi.PutSet {
	return &abi.PutSet{Name: "s", Spec: &abi.Addresses{Blocks: blocks}}
}

// TestRefused: each refusal has its code, names its object, and says what is
// wrong; and the transaction is as it was.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		request abi.Request
		code    abi.EmitError
		says    string // all of these words, separated by |
	}{
		{&abi.PutSet{Name: "", Spec: pods("a")}, abi.Malformed, "name|empty"},
		{&abi.PutSet{Name: strings.Repeat("x", 254), Spec: pods("a")}, abi.TooLarge, "254 bytes|253"},
		{&abi.PutSet{Name: "\xff", Spec: pods("a")}, abi.Malformed, "UTF-8"},
		{&abi.PutSet{Name: "s"}, abi.Malformed, `set "s"|pods, nodes, addresses`},
		{&abi.PutSet{Name: "s", Spec: &abi.Pods{}}, abi.Malformed, `set "s"|neither namespaces nor namespaceSelector`},
		{&abi.PutSet{Name: "s", Spec: pods("")}, abi.Malformed, "pods.namespaces[0]"},
		{selecting(abi.Requirement{Key: "k", Operator: abi.In}), abi.Malformed, "podSelector.requirements[0].values"},
		{selecting(abi.Requirement{Key: "k", Operator: abi.NotIn}), abi.Malformed, "at least one value"},
		{selecting(abi.Requirement{Key: "k", Operator: abi.Exists, Values: []string{"x"}}), abi.Malformed, "take no values"},
		{selecting(abi.Requirement{Key: "k", Operator: abi.DoesNotExist, Values: []string{"x"}}), abi.Malformed, "take no values"},
		{selecting(abi.Requirement{Key: "k", Operator: 5}), abi.Malformed, "operator: 5"},
		{selecting(abi.Requirement{Key: "", Operator: abi.Exists}), abi.Malformed, "key"},
		{selecting(abi.Requirement{Key: "/x", Operator: abi.Exists}), abi.Malformed, "key|subdomain"},
		{selecting(abi.Requirement{Key: "a b", Operator: abi.Exists}), abi.Malformed, "key"},
		{selecting(abi.Requirement{Key: strings.Repeat("k", 64), Operator: abi.Exists}), abi.Malformed, "63"},
		{selecting(abi.Requirement{Key: "k", Operator: abi.In, Values: []string{"-x"}}), abi.Malformed, `values[0]|"-x"`},
		{selecting(abi.Requirement{Key: "k", Operator: abi.In, Values: []string{strings.Repeat("v", 64)}}), abi.Malformed, "63"},
		{&abi.PutSet{Name: "s", Spec: &abi.Nodes{Selector: abi.Selector{Requirements: []abi.Requirement{{Key: "k"}}}}}, abi.Malformed, "nodes.selector"},
		{addresses(abi.Block{CIDR: "10.0.0.1"}), abi.Malformed, `blocks[0].cidr|"10.0.0.1"`},
		{addresses(abi.Block{CIDR: "10.0.0.0/33"}), abi.Malformed, "10.0.0.0/33"},
		{addresses(abi.Block{CIDR: "::ffff:0:0/95"}), abi.Malformed, "IPv4"},
		{addresses(abi.Block{CIDR: "10.0.0.0/8"}, abi.Block{CIDR: "10.0.0.0/8", Except: []string{"11.0.0.0/16"}}), abi.Malformed, "blocks[1].except[0]|inside 10.0.0.0/8"},
		{addresses(abi.Block{CIDR: "10.0.0.0/8", Except: []string{"10.0.0.0/8"}}), abi.Malformed, "except[0]|smaller"},
		{addresses(abi.Block{CIDR: "10.0.0.0/8", Except: []string{"0.0.0.0/0"}}), abi.Malformed, "except[0]"},
		{addresses(abi.Block{CIDR: "0.0.0.0/0", Except: []string{"fd00::/8"}}), abi.Malformed, "family"},
		{&abi.PatchSet{Name: "none"}, abi.UnknownSet, `set "none"|put it first`},
		{&abi.PatchSet{Name: "pods"}, abi.Malformed, "only a set of addresses"},
		{&abi.PatchSet{Name: "block", Add: []abi.Block{{CIDR: "x"}}}, abi.Malformed, `add[0].cidr|"x"`},
		{&abi.PatchSet{Name: "block", Remove: []string{"x"}}, abi.Malformed, "remove[0]"},
		{allowing(func(r *abi.RuleSpec) { r.Tier = 0 }), abi.Malformed, `rule "r"|tier: 0`},
		{allowing(func(r *abi.RuleSpec) { r.Direction = 3 }), abi.Malformed, "direction: 3"},
		{allowing(func(r *abi.RuleSpec) { r.Action = 0 }), abi.Malformed, "action: 0"},
		{allowing(func(r *abi.RuleSpec) { r.Subjects = nil }), abi.Malformed, "subjects"},
		{allowing(func(r *abi.RuleSpec) { r.Subjects = []string{"none"} }), abi.UnknownSet, `subjects[0]|"none"`},
		{allowing(func(r *abi.RuleSpec) { r.Subjects = []string{"pods", "block"} }), abi.Malformed, `subjects[1]|not a set of Pods`},
		{allowing(func(r *abi.RuleSpec) { r.Subjects = []string{"nodes"} }), abi.Malformed, "not a set of Pods"},
		{allowing(func(r *abi.RuleSpec) { r.AnyPeer = false }), abi.Malformed, "peers|anyPeer"},
		{allowing(func(r *abi.RuleSpec) { r.Peers = []string{"pods"} }), abi.Malformed, "peers|anyPeer"},
		{allowing(func(r *abi.RuleSpec) { r.AnyPeer, r.Peers = false, []string{"none"} }), abi.UnknownSet, `peers[0]|"none"`},
		{allowing(func(r *abi.RuleSpec) { r.Origin.Name = strings.Repeat("x", 254) }), abi.Malformed, "origin|253"},
		{port(abi.Port{Protocol: abi.TCP, First: 2, Last: 1}), abi.Malformed, "ports[0]|greater"},
		{port(abi.Port{Protocol: abi.TCP, First: 1}), abi.Malformed, "greater"},
		{port(abi.Port{Protocol: abi.TCP, First: 1, Last: 1, Name: "http"}), abi.Malformed, "name"},
		{port(abi.Port{Protocol: abi.TCP, ICMP: &abi.ICMPKind{}}), abi.Malformed, "icmp"},
		{port(abi.Port{Protocol: abi.ICMP, Name: "http"}), abi.Malformed, "ICMP has no ports"},
		{port(abi.Port{Protocol: abi.ICMPv6, Last: 1}), abi.Malformed, "ICMP has no ports"},
		{port(abi.Port{Name: "http"}), abi.Malformed, "every protocol"},
		{port(abi.Port{Last: 80}), abi.Malformed, "every protocol"},
		{port(abi.Port{Protocol: 47}), abi.Malformed, "protocol: 47"},
		{&abi.PutIsolation{Name: "i", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Ingress}}, abi.Malformed, `isolation "i"|subjects`},
		{&abi.PutIsolation{Name: "i", Spec: abi.IsolationSpec{Tier: 4, Direction: abi.Ingress, Subjects: []string{"pods"}}}, abi.Malformed, "tier: 4"},
		{&abi.DeleteRule{}, abi.Malformed, "name"},
	} {
		t.Run(test.says, func(t *testing.T) {
			txn := newLayer().Begin(false)
			stage(t, txn,
				&abi.PutSet{Name: "pods", Spec: pods("a")}, &abi.PutSet{Name: "nodes", Spec: &abi.Nodes{}},
				&abi.PutSet{Name: "block", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: "10.0.0.0/8"}}}},
			)
			before, size := fmt.Sprintf("%+v", txn.Delta()), txn.Size()
			err := txn.Stage(test.request)
			var stageError *policy.StageError
			if !errors.As(err, &stageError) || stageError.Code != test.code || stageError.Object == "" {
				t.Fatalf("%+v: %#v, want code %d", test.request, err, test.code)
			}
			for word := range strings.SplitSeq(test.says, "|") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if after := fmt.Sprintf("%+v", txn.Delta()); after != before || txn.Size() != size {
				t.Errorf("the refused request left %s, before %s", after, before)
			}
		})
	}
}

func TestNotGranted(t *testing.T) {
	grant, err := policy.GrantOf([]string{"network"}, []string{"allow", "pass"})
	if err != nil {
		t.Fatal(err)
	}
	grant = grant.Cut(policy.Grant{Tiers: []abi.Tier{abi.Network, abi.Admin}, Actions: []abi.Action{abi.Allow, abi.Deny}})
	txn := policy.NewLayer("m", 0, grant, policy.Limits{}).Begin(false)
	stage(t, txn, &abi.PutSet{Name: "pods", Spec: pods("a")}, allowing(nil))
	for _, r := range []abi.Request{
		allowing(func(r *abi.RuleSpec) { r.Tier = abi.Admin }),
		allowing(func(r *abi.RuleSpec) { r.Action = abi.Deny }),
		allowing(func(r *abi.RuleSpec) { r.Action = abi.Pass }),
		&abi.PutIsolation{Name: "i", Spec: abi.IsolationSpec{Tier: abi.Baseline, Direction: abi.Egress, Subjects: []string{"pods"}}},
	} {
		var stageError *policy.StageError
		if err := txn.Stage(r); !errors.As(err, &stageError) || stageError.Code != abi.NotGranted || !strings.Contains(err.Error(), "not granted") {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, err := policy.GrantOf([]string{"top"}, nil); err == nil {
		t.Error("an unknown tier is granted")
	}
	if _, err := policy.GrantOf(nil, []string{"drop"}); err == nil {
		t.Error("an unknown action is granted")
	}
}

func TestAccepted(t *testing.T) {
	txn := newLayer().Begin(false)
	stage(t, txn,
		&abi.PutSet{Name: "pods", Spec: pods("a")},
		&abi.PutSet{Name: strings.Repeat("x", 253), Spec: &abi.Nodes{}},
		selecting(abi.Requirement{Key: "example.com/app", Operator: abi.In, Values: []string{"", "a.b_c-d"}}),
		addresses(),
		addresses(abi.Block{CIDR: "10.1.2.3/8", Except: []string{"10.9.9.9/16", "10.9.1.0/24"}}, abi.Block{CIDR: "::ffff:10.0.0.0/104"}),
		port(abi.Port{}), port(abi.Port{Protocol: abi.SCTP}), port(abi.Port{Protocol: abi.UDP, Name: "dns"}), port(abi.Port{Protocol: abi.TCP, First: 1, Last: 65535}),
		port(abi.Port{Protocol: abi.ICMP}), port(abi.Port{Protocol: abi.ICMPv6, ICMP: &abi.ICMPKind{Type: 1, AnyCode: true, Code: 7}}),
		&abi.DeleteRule{Name: "never there"}, &abi.DeleteSet{Name: "never there"}, &abi.DeleteIsolation{Name: "never there"},
		&abi.Report{Object: abi.Origin{Name: "o"}},
	)
	if reports := txn.Reports(); len(reports) != 1 || reports[0].Object.Name != "o" {
		t.Errorf("%+v", reports)
	}
	for _, s := range txn.Delta().PutSets {
		if a, is := s.Spec.(*abi.Addresses); is {
			want := "[{CIDR:10.0.0.0/8 Except:[]} {CIDR:10.0.0.0/8 Except:[10.9.0.0/16]}]"
			if got := fmt.Sprintf("%+v", a.Blocks); got != want {
				t.Errorf("canonical blocks are %s, want %s", got, want)
			}
		}
	}
}
