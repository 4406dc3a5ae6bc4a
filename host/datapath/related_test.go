package datapath_test

import (
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// Replies of an allowed connection, and ICMP errors about it, pass whatever is
// denied to the Pod that sends or gets them.
func TestSemantics25RepliesAndRelatedErrorsPass(t *testing.T) {
	w := newWorld(t)
	pod := inventory.Pod{
		Namespace: "x", Name: "p1", Node: nodeName,
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
	}
	w.putPod(pod)
	w.attach(pod)
	everybody := &abi.Pods{Namespaces: []string{"x"}}
	// The Pod may open TCP connections to port 80, and nothing may be opened to it.
	w.commit(t, "first", false, []abi.Request{
		&abi.PutSet{Name: "s", Spec: everybody},
		&abi.PutIsolation{Name: "in", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"s"}}},
		&abi.PutIsolation{Name: "out", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"s"}}},
		&abi.PutRule{Name: "web", Spec: abi.RuleSpec{
			Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"s"}, AnyPeer: true,
			Ports: []abi.Port{{Protocol: abi.TCP, First: 80, Last: 80}}, Action: abi.Allow,
		}},
	})
	w.realise(t)
	for _, family := range []struct {
		pod, server, router string
		icmp                uint8
	}{
		{"10.0.0.1", "8.8.8.8", "8.8.4.4", 1},
		{"fd00::1", "2001:db8::1", "2001:db8::2", 58},
	} {
		from, to, router := netip.MustParseAddr(family.pod), netip.MustParseAddr(family.server), netip.MustParseAddr(family.router)
		open := flowsim.Packet{
			InPort: w.local["x/p1"], Source: from, Destination: to, Protocol: uint8(abi.TCP), SourcePort: 40000, DestPort: 80,
			Connection: flowsim.Connection{State: of.CTNew},
		}
		reply := flowsim.Packet{
			InPort: gatewayPort, Source: to, Destination: from, Protocol: uint8(abi.TCP), SourcePort: 80, DestPort: 40000,
			Connection: flowsim.Connection{State: of.CTEstablished | of.CTReply, Original: &open},
		}
		tooBig := flowsim.Packet{
			InPort: gatewayPort, Source: router, Destination: from, Protocol: family.icmp, SourcePort: 3, DestPort: 4,
			Connection: flowsim.Connection{State: of.CTRelated | of.CTReply, Original: &open},
		}
		unasked := flowsim.Packet{
			InPort: gatewayPort, Source: to, Destination: from, Protocol: uint8(abi.TCP), SourcePort: 80, DestPort: 40000,
			Connection: flowsim.Connection{State: of.CTNew},
		}
		for name, c := range map[string]struct {
			packet flowsim.Packet
			passes bool
		}{"open": {open, true}, "reply": {reply, true}, "related error": {tooBig, true}, "unasked": {unasked, false}} {
			out, err := w.sw.Run(c.packet)
			if err != nil {
				t.Fatal(err)
			}
			if passed := out.Port != 0; passed != c.passes {
				t.Errorf("%s of %s: passed %t by path %v", name, from, passed, out.Path)
			}
		}
	}
}
