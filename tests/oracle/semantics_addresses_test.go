package oracle

import (
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

const placed = `
	namespace one
	node n 192.168.0.1 10.255.0.1 fd00:f::1
	node m 192.168.0.2
	pod one/server 10.0.0.1 fd00::1 app=server on=n
	pod one/client 10.0.0.2 fd00::2 on=n
	pod one/host   192.168.0.1 host on=n
	pod one/done   10.0.0.2 finished app=done
`

func fromBlocks(blocks string) string {
	return policyOf("one", "p", "podSelector: {matchLabels: {app: server}}\ningress: [{from: "+blocks+"}]")
}

func TestSemantics14ExceptNarrowsItsOwnBlock(t *testing.T) {
	alone := fromBlocks("[{ipBlock: {cidr: 8.0.0.0/8, except: [8.8.0.0/16]}}]")
	expect(t, clusterOf(t, placed, alone), `
		8.8.8.8 > one/server TCP 80 deny
		8.9.8.8 > one/server TCP 80 allow
	`)
	expect(t, clusterOf(t, placed, fromBlocks("[{ipBlock: {cidr: 8.0.0.0/8, except: [8.8.0.0/16]}}, {ipBlock: {cidr: 8.8.8.0/24}}]")), `
		8.8.8.8 > one/server TCP 80 allow
		8.8.9.8 > one/server TCP 80 deny
	`)
	other := policyOf("one", "q", "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 8.8.8.8/32}}]}]")
	expect(t, clusterOf(t, placed, alone, other), "8.8.8.8 > one/server TCP 80 allow")
	// Two blocks of one CIDR with other excepts are their union.
	expect(t, clusterOf(t, placed, fromBlocks("[{ipBlock: {cidr: 8.0.0.0/8, except: [8.8.0.0/16]}}, {ipBlock: {cidr: 8.0.0.0/8, except: [8.9.0.0/16]}}]")), `
		8.8.8.8 > one/server TCP 80 allow
		8.9.8.8 > one/server TCP 80 allow
	`)
}

func TestSemantics15BlocksCoverPodsOfTheirFamily(t *testing.T) {
	expect(t, clusterOf(t, placed, fromBlocks("[{ipBlock: {cidr: 10.0.0.0/24}}]")), `
		one/client > one/server TCP 80 allow
		fd00::2    > fd00::1    TCP 80 deny
	`)
	expect(t, clusterOf(t, placed, fromBlocks("[{ipBlock: {cidr: 0.0.0.0/0}}]")), `
		8.8.8.8     > 10.0.0.1 TCP 80 allow
		2001:db8::8 > fd00::1  TCP 80 deny
	`)
}

func TestSemantics16VirtualAddresses(t *testing.T) {
	// 10.96.0.1:80 is a Service in front of the server's 8080. What is judged
	// is the packet after DNAT.
	expect(t, clusterOf(t, placed, policyOf("one", "p", `
podSelector: {}
policyTypes: [Egress]
egress: [{to: [{ipBlock: {cidr: 10.96.0.1/32}}], ports: [{port: 80}]}]
`)), "one/client > one/server TCP 8080 deny")
}

func TestSemantics17OwnNode(t *testing.T) {
	c := clusterOf(t, placed, policyOf("one", "p", "podSelector: {}\npolicyTypes: [Ingress, Egress]"))
	expect(t, c, `
		192.168.0.1 > one/server  TCP 80 allow
		10.255.0.1  > one/server  TCP 80 allow
		fd00:f::1   > fd00::1     TCP 80 allow
		192.168.0.2 > one/server  TCP 80 deny
		8.8.8.8     > one/server  TCP 80 deny
		one/server  > 192.168.0.1 TCP 80 deny
	`)
	if d := by(t, c, viewOf(t, c), "192.168.0.1 > one/server TCP 80 ?").Ingress; d.Reason != "the Pod's own node" {
		t.Errorf("%+v", d)
	}
}

func TestSemantics18HostNetworkPods(t *testing.T) {
	c := clusterOf(t, placed, policyOf("one", "p", "podSelector: {}\npolicyTypes: [Ingress, Egress]\ningress: [{from: [{podSelector: {}}]}]"))
	c.Pods[0].Spec.NodeName = "m" // so that one/host is not on its node
	expect(t, c, `
		192.168.0.1 > one/server  TCP 80 deny
		one/host    > 8.8.8.8     TCP 80 allow
		8.8.8.8     > 192.168.0.1 TCP 80 allow
	`)
}

func TestSemantics19ItselfIsNeverDenied(t *testing.T) {
	c := clusterOf(t, placed, policyOf("one", "p", "podSelector: {}\npolicyTypes: [Ingress, Egress]"))
	expect(t, c, `
		one/server > one/server TCP 80 allow
		fd00::1    > fd00::1    UDP 53 allow
		one/client > one/server TCP 80 deny
	`)
}

// A Pod that a Service sends to itself is judged by cluster policy, and not by
// NetworkPolicy.
func TestSemantics19ItselfThroughAService(t *testing.T) {
	c := clusterOf(t, placed, policyOf("one", "p", "podSelector: {}\npolicyTypes: [Ingress, Egress]"))
	network := viewOf(t, c).Layers[0]
	all := &abi.PutSet{Name: "all", Spec: &abi.Pods{NamespaceSelector: &abi.Selector{}}}
	rule := func(tier abi.Tier, direction abi.Direction, action abi.Action) *policy.Layer {
		return layerOf(t, "cluster", 1, all, &abi.PutRule{Name: "r", Spec: abi.RuleSpec{
			Tier: tier, Direction: direction, Subjects: []string{"all"}, Peers: []string{"all"}, Action: action,
		}})
	}
	for _, test := range []struct {
		name   string
		layers []*policy.Layer
		want   bool
	}{
		{"network isolates", []*policy.Layer{network}, true},
		{"admin denies egress", []*policy.Layer{network, rule(abi.Admin, abi.Egress, abi.Deny)}, false},
		{"admin rejects ingress", []*policy.Layer{network, rule(abi.Admin, abi.Ingress, abi.Reject)}, false},
		{"admin passes", []*policy.Layer{network, rule(abi.Admin, abi.Ingress, abi.Pass)}, true},
		{"network denies", []*policy.Layer{rule(abi.Network, abi.Ingress, abi.Deny)}, true},
		{"baseline denies", []*policy.Layer{network, rule(abi.Baseline, abi.Ingress, abi.Deny)}, false},
	} {
		view := policy.View{Inventory: viewOf(t, c).Inventory, Layers: test.layers}
		packet := packetOf(connectionOf(t, c, []string{"one/server", ">", "one/server", "TCP", "80"}))
		packet.ThroughService = true
		if got := policy.Evaluate(view, packet); got.Allowed != test.want {
			t.Errorf("%s: %+v", test.name, got)
		}
		packet.ThroughService = false
		if got := policy.Evaluate(view, packet); !got.Allowed {
			t.Errorf("%s, by its own address: %+v", test.name, got)
		}
	}
}

func TestSemantics20FinishedPodsAreNoPeers(t *testing.T) {
	// one/done had the address that is one/client's now.
	expect(t, clusterOf(t, placed, fromBlocks("[{podSelector: {matchLabels: {app: done}}}]")), "10.0.0.2 > one/server TCP 80 deny")
	expect(t, clusterOf(t, placed, policyOf("one", "p", "podSelector: {matchLabels: {app: done}}\npolicyTypes: [Egress]")), "10.0.0.2 > 8.8.8.8 TCP 80 allow")
}
