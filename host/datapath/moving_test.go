package datapath_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// What is sent to a Pod whose port is not there goes to the host, with its TTL as
// it was, while what the Pod itself sends is led as ever.
func TestAPodThatOnlySends(t *testing.T) {
	w := newWorld(t)
	pods := map[string]datapath.LocalPod{}
	put := func(name string, port uint32, mtu int, sendsOnly bool) {
		pods[name] = datapath.LocalPod{
			Namespace: "x", Name: name, OFPort: port, MAC: net.HardwareAddr{2, 1, 0, 0, 0, byte(port)}, MTU: mtu, SendsOnly: sendsOnly,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(port)}), netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(port)})},
		}
		w.dp.PutPod(pods[name])
	}
	leaves := func(from, to string, wantPort uint32, wantTTL uint8) {
		t.Helper()
		w.realise(t)
		for family := range 2 {
			in, source := uint32(gatewayPort), outside[2*family]
			if from != "" {
				in, source = pods[from].OFPort, pods[from].Addresses[family]
			}
			out, err := w.sw.Run(flowsim.Packet{
				InPort: in, Source: source, Destination: pods[to].Addresses[family], Protocol: 17, Length: 1400,
				Connection: flowsim.Connection{State: of.CTNew},
			})
			if err != nil {
				t.Fatal(err)
			}
			if out.Port != wantPort || out.Port != 0 && out.TTL != wantTTL {
				t.Errorf("from %q to %s: left by port %d with TTL %d, want port %d, TTL %d", from, to, out.Port, out.TTL, wantPort, wantTTL)
			}
		}
	}
	put("stays", 11, 1500, false)
	for _, mtu := range []int{1500, 1300} { // as large as the other's, and smaller
		put("moves", 12, mtu, true)
		leaves("stays", "moves", gatewayPort, 64)
		leaves("moves", "stays", 11, 63)
		leaves("", "moves", 0, 0) // the host has another way to it, or would get its own packet back
		put("moves", 12, mtu, false)
		leaves("moves", "stays", 11, 63)
		leaves("", "moves", 12, 64)
	}
	put("moves", 12, 1500, false)
	leaves("stays", "moves", 12, 63)
	put("moves", 12, 1500, true)
	leaves("stays", "moves", gatewayPort, 64)
	w.dp.DeletePod("x", "moves")
	leaves("stays", "moves", gatewayPort, 64)
	if n := w.realise(t); n != 0 {
		t.Errorf("%d flows are written although nothing changed", n)
	}
}
