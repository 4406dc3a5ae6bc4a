package datapath_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// What does not fit the receiving Pod goes to the host, with its TTL as it was,
// as long as some Pod of the node may send so much.
func TestTooLargePacketsGoToTheHost(t *testing.T) {
	w := newWorld(t)
	pods := map[string]datapath.LocalPod{}
	put := func(name string, port uint32, mtu int) {
		pods[name] = datapath.LocalPod{
			Namespace: "x", Name: name, OFPort: port, MAC: net.HardwareAddr{2, 1, 0, 0, 0, byte(port)}, MTU: mtu,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(port)}), netip.MustParseAddr(fmt.Sprintf("fd00::%d", port))},
		}
		w.dp.PutPod(pods[name])
	}
	leaves := func(from, to string, length int, wantPort uint32, wantTTL uint8) {
		t.Helper()
		w.realise(t)
		for family := range 2 {
			source := netip.MustParseAddr([]string{"203.0.113.1", "2001:db8::1"}[family])
			in := uint32(gatewayPort)
			if from != "" {
				source, in = pods[from].Addresses[family], pods[from].OFPort
			}
			out, err := w.sw.Run(flowsim.Packet{
				InPort: in, Source: source, Destination: pods[to].Addresses[family], Protocol: 17, Length: length,
				Connection: flowsim.Connection{State: of.CTNew},
			})
			if err != nil {
				t.Fatal(err)
			}
			if out.Port != wantPort || out.TTL != wantTTL {
				t.Errorf("%d bytes from %q to %s: left by port %d with TTL %d, want port %d, TTL %d", length, from, to, out.Port, out.TTL, wantPort, wantTTL)
			}
			if out.Port == gatewayPort && net.HardwareAddr(out.EthDst).String() != gatewayMAC.String() {
				t.Errorf("%d bytes from %q to %s: went to the gateway for %s", length, from, to, out.EthDst)
			}
		}
	}
	put("small", 11, 1300)
	put("other", 12, 1300)
	leaves("other", "small", 9000, 11, 63) // nobody can send that
	put("large", 13, 1500)
	leaves("large", "small", 1314, 11, 63)
	leaves("large", "small", 1315, gatewayPort, 64)
	leaves("small", "large", 1514, 13, 63)
	leaves("", "small", 1500, 11, 64) // the host has looked
	put("larger", 14, 9000)
	leaves("larger", "large", 1515, gatewayPort, 64)
	leaves("larger", "small", 1315, gatewayPort, 64)
	w.dp.DeletePod("x", "larger")
	leaves("large", "small", 1315, gatewayPort, 64)
	w.dp.DeletePod("x", "large")
	leaves("other", "small", 9000, 11, 63)
	if n := w.realise(t); n != 0 {
		t.Errorf("%d flows are written although nothing changed", n)
	}
}

// What the gateway may have to take from the node itself, it takes from no Pod.
func TestPodsDoNotReachTheNodesLoopback(t *testing.T) {
	w := newWorld(t)
	pod := netip.MustParseAddr("10.0.0.1")
	w.dp.PutPod(datapath.LocalPod{Namespace: "x", Name: "a", OFPort: 11, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 11}, Addresses: []netip.Addr{pod}})
	w.realise(t)
	for to, passes := range map[string]bool{"127.0.0.1": false, "127.255.255.255": false, "126.0.0.1": true, "128.0.0.1": true} {
		out, err := w.sw.Run(flowsim.Packet{InPort: 11, Source: pod, Destination: netip.MustParseAddr(to), Protocol: 6, Connection: flowsim.Connection{State: of.CTNew}})
		if err != nil {
			t.Fatal(err)
		}
		if passed := out.Port != 0; passed != passes {
			t.Errorf("to %s: passed %t by path %v", to, passed, out.Path)
		}
	}
}

// Redirects pass in no direction, whatever they say (RFC 792; RFC 4861).
func TestRedirectsPassInNoDirection(t *testing.T) {
	w := newWorld(t)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	for port, addresses := range map[uint32][]netip.Addr{11: {a, a6}, 12: {b, b6}} {
		w.dp.PutPod(datapath.LocalPod{Namespace: "x", Name: fmt.Sprint(port), OFPort: port, MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(port)}, Addresses: addresses})
	}
	w.realise(t)
	for _, c := range []struct {
		in       uint32
		from, to netip.Addr
		protocol uint8
		kind     uint16
		passes   bool
	}{
		{11, a, b, 1, 5, false},
		{11, a, netip.MustParseAddr("203.0.113.1"), 1, 5, false},
		{11, a6, b6, 58, 137, false},
		{gatewayPort, netip.MustParseAddr("10.0.0.254"), a, 1, 5, false},
		{gatewayPort, netip.MustParseAddr("fe80::1"), a6, 58, 137, false},
		{11, a, b, 1, 8, true},
		{gatewayPort, netip.MustParseAddr("10.0.0.254"), a, 1, 11, true},
		{gatewayPort, netip.MustParseAddr("fe80::1"), a6, 58, 136, true},
	} {
		out, err := w.sw.Run(flowsim.Packet{
			InPort: c.in, Source: c.from, Destination: c.to, Protocol: c.protocol, SourcePort: c.kind,
			Connection: flowsim.Connection{State: of.CTNew},
		})
		if err != nil {
			t.Fatal(err)
		}
		if passed := out.Port != 0; passed != c.passes {
			t.Errorf("type %d from %s to %s: passed %t by path %v", c.kind, c.from, c.to, passed, out.Path)
		}
	}
}
