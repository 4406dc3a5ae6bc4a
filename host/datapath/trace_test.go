package datapath_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// tracePorts are the numbers of the bridge's ports: the gateway and the local
// Pods that genPod can make (two names in two namespaces).
var tracePorts = []int{gatewayPort, 11, 12, 13, 14}

// The simulator that the other tests rest on is held against Open vSwitch itself:
// for some random clusters the flows go into a real bridge, and ofproto/trace
// says what becomes of a sample of connections.
func TestOpenVSwitchDoesWhatTheModelSays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes a network namespace")
	}
	ovs := ovstest.Start(t, ovstest.Options{})
	management := ovs.AddBridge("br0")
	for _, port := range tracePorts {
		ovs.AddInternalPort("br0", fmt.Sprintf("p%d", port), port)
	}
	conn, err := of.Dial(t.Context(), management, of.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, id := range []uint32{1, 2} { // flows name the meters of datapath/meters.go
		if err := conn.AddMeter(t.Context(), of.MeterEntry{ID: id, Packets: true, Rate: 100, Burst: 100}); err != nil {
			t.Fatal(err)
		}
	}
	asked, denied := 0, 0
	for seed := range 40 {
		w := rapid.Custom(genWorld).Example(seed)
		mods := []of.Mod{of.DeleteFlows(of.FlowFilter{})}
		for _, f := range w.sw.Flows() {
			mods = append(mods, of.AddFlow(f))
		}
		if err := conn.Apply(t.Context(), mods); err != nil {
			t.Fatal(err)
		}
		view := w.view()
		portOf := w.ports()
		for i, q := range w.questions() {
			every := 17
			if q.Protocol == abi.SCTP { // of which there is little
				every = 4
			}
			if i%every != seed%every {
				continue // a trace takes some milliseconds
			}
			want := allowedHere(policy.Evaluate(view, q), portOf, q)
			// What conntrack of the userspace datapath says of SCTP has no ports.
			for _, withPorts := range []bool{true, false}[:1+bit(q.Protocol == abi.SCTP)] {
				if got := trace(t, ovs, portOf, q, withPorts); got != want {
					t.Errorf("cluster %d: %+v: Open vSwitch lets it pass: %t, the model: %t; ports tracked: %t", seed, q, got, want, withPorts)
				}
			}
			asked++
			if !want {
				denied++
			}
		}
	}
	t.Logf("%d connections traced, %d of them denied", asked, denied)
	if asked < 100 || denied == 0 || denied == asked {
		t.Errorf("%d connections traced, %d denied: that proves little", asked, denied)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// trace asks Open vSwitch about the first packet of a connection as it comes out
// of conntrack, where the trace begins: a trace has no connections of its own.
func trace(t *testing.T, ovs *ovstest.Instance, portOf map[netip.Addr]uint32, p policy.Packet, withPorts bool) bool {
	t.Helper()
	port, flags := uint32(gatewayPort), 0
	if n := portOf[p.Source]; n != 0 {
		port, flags = n, 1
	}
	ip, source, destination, proto := "ip", "nw_src", "nw_dst", uint8(p.Protocol)
	if p.Source.Is6() {
		ip, source, destination = "ipv6", "ipv6_src", "ipv6_dst"
	}
	ctSource, ctPort := uint16(40000), p.Port
	if p.Protocol == abi.ICMP || p.Protocol == abi.ICMPv6 {
		ctSource, ctPort = p.Port>>8, p.Port&0xff
	}
	if !withPorts {
		ctSource, ctPort = 0, 0
	}
	flow := fmt.Sprintf("%s,in_port=%d,dl_src=02:00:00:00:00:08,dl_dst=02:00:00:00:00:01,%s=%s,%s=%s,nw_proto=%d,nw_ttl=64,reg0=%d,ct_state=trk|new,ct_nw_proto=%d,ct_tp_src=%d,ct_tp_dst=%d",
		ip, port, source, p.Source, destination, p.Destination, proto, flags, proto, ctSource, ctPort)
	if p.Protocol == abi.SCTP {
		flow += fmt.Sprintf(",sctp_src=40000,sctp_dst=%d", p.Port)
	}
	out := ovs.Run("ovs-appctl", "ofproto/trace-packet-out", "br0", flow, fmt.Sprintf("resubmit(,%d)", datapath.Route))
	_, actions, found := strings.Cut(out, "Datapath actions: ")
	if !found {
		t.Fatalf("no verdict in the trace of %s:\n%s", flow, out)
	}
	// A connection that passes is committed; one that is denied may still be
	// handed to the agent.
	return strings.Contains(actions, "ct(commit")
}
