package bench

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/ovstest"
)

type servicesSize struct {
	services, endpoints int
	changes             int // of one endpoint, one after the other
}

func TestServices(t *testing.T) {
	out := newTable()
	services(t, out, servicesSize{services: 20, endpoints: 10, changes: 10})
	if len(out.Rows) != 5 || out.Rows[0].Ratio == 0 {
		t.Errorf("%+v", out.Rows)
	}
}

// services programmes a node with many Services, and then changes one endpoint at a
// time. The peer writes the same groups and flows from a file.
func services(tb testing.TB, out *table, size servicesSize) {
	ovs := ovstest.Start(tb, ovstest.Options{})
	socket := ovs.AddBridge("br0")
	conn, err := of.Dial(tb.Context(), socket, of.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	n := newNode(tb, conn)
	n.realise(tb)
	empty := resident(tb, ovs.SwitchdPID())
	start := time.Now()
	for i := range size.services {
		if err := n.dp.PutService(someService(i, size.endpoints)); err != nil {
			tb.Fatal(err)
		}
	}
	compiled := time.Since(start)
	n.realise(tb)
	cold := time.Since(start)
	full := resident(tb, ovs.SwitchdPID())

	var all []time.Duration
	messages := 0
	for i := range size.changes {
		s := someService(i*7%size.services, size.endpoints)
		if i%2 == 0 {
			s.Backends = s.Backends[1:]
		} else {
			s.Backends[0] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 8080)
		}
		start := time.Now()
		if err := n.dp.PutService(s); err != nil {
			tb.Fatal(err)
		}
		messages += n.realise(tb)
		all = append(all, time.Since(start))
	}
	theirs := programmedByOFCtl(tb, ovs, conn)
	what := fmt.Sprintf("%s Services of %d endpoints", number(float64(size.services)), size.endpoints)
	out.add(row{
		Work: what + ", cold, to the barrier", Figure: millis(cold), Unit: "ms", Peer: "ovs-ofctl bundle, the same", PeerFigure: millis(theirs),
		Aim: ratioAtMost(1).own(), Note: fmt.Sprintf("%.0f ms of it compiling", millis(compiled)),
	})
	out.add(row{Work: what + ", memory of ovs-vswitchd", Figure: (full - empty) / (1 << 20), Unit: "MiB"})
	out.add(row{Work: what + ", one endpoint changes, p50", Figure: percentile(all, 50), Unit: "ms"})
	out.add(row{Work: what + ", one endpoint changes, p99", Figure: percentile(all, 99), Unit: "ms"})
	out.add(row{Work: what + ", one endpoint changes, messages", Figure: float64(messages) / float64(size.changes), Unit: "", Aim: atMost(1)})
}

func someService(i, endpoints int) datapath.ServicePort {
	s := datapath.ServicePort{
		Name: fmt.Sprintf("shop/service-%d:http/TCP/IPv4", i), Protocol: abi.TCP,
		Frontends: []datapath.Frontend{{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}), 80)}},
	}
	for e := range endpoints {
		at := i*endpoints + e
		s.Backends = append(s.Backends, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(at >> 16), byte(at >> 8), byte(at)}), 8080))
	}
	return s
}

// programmedByOFCtl empties the bridge and has ovs-ofctl write what was there, in one
// bundle from a file.
func programmedByOFCtl(tb testing.TB, ovs *ovstest.Instance, conn *of.Conn) time.Duration {
	tb.Helper()
	groups, err := conn.DumpGroups(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	flows, err := conn.DumpFlows(tb.Context(), of.FlowFilter{})
	if err != nil {
		tb.Fatal(err)
	}
	var text strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&text, "group add %s\n", g)
	}
	for _, f := range flows {
		fmt.Fprintf(&text, "flow add %s\n", f.Flow)
	}
	file := filepath.Join(tb.TempDir(), "bundle")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := conn.Apply(tb.Context(), []of.Mod{of.DeleteFlows(of.FlowFilter{}), of.DeleteAllGroups()}); err != nil {
		tb.Fatal(err)
	}
	start := time.Now()
	ovs.Run("ovs-ofctl", "-O", "OpenFlow15", "bundle", "unix:"+ovs.MgmtSocket("br0"), file)
	took := time.Since(start)
	if after, err := conn.DumpGroups(tb.Context()); err != nil || len(after) != len(groups) {
		tb.Fatalf("%d groups are there, want %d (%v)", len(after), len(groups), err)
	}
	return took
}
