package bench

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/nettest"
)

type serviceTrafficSize struct {
	endpoints []int // of a Service
	rounds    int
	lasts     time.Duration // one measurement
}

func TestServiceTraffic(t *testing.T) {
	out := newTable()
	serviceTraffic(t, out, serviceTrafficSize{endpoints: []int{1, 3}, rounds: 1, lasts: 20 * time.Millisecond})
	if len(out.Rows) != 2 || out.Rows[0].Ratio == 0 || out.Rows[1].Ratio == 0 {
		t.Errorf("%+v", out.Rows)
	}
}

// serviceTraffic measures how many TCP connections a second one Pod opens and ends,
// one after the other, to its neighbour, and to the same one through Services of so
// many endpoints. They take turns, round by round; of each the median counts.
func serviceTraffic(tb testing.TB, out *table, size serviceTrafficSize) {
	r := newServiceRig(tb, 2)
	to := []netip.AddrPort{netip.AddrPortFrom(r.Pods[1].Addresses[0], 8000)}
	r.welcome(1, 8000)
	for i, n := range size.endpoints {
		s := datapath.ServicePort{Name: fmt.Sprintf("x/%d", n), Protocol: abi.TCP}
		s.Frontends = []datapath.Frontend{{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 96, 0, byte(i + 1)}), 80)}}
		for e := range n {
			// Ports of its own, so that no two connections meet in conntrack.
			port := uint16(10_000 + 1_000*i + e)
			r.welcome(1, port)
			s.Backends = append(s.Backends, netip.AddrPortFrom(r.Pods[1].Addresses[0], port))
		}
		r.put(s)
		to = append(to, s.Frontends[0].Address)
	}
	seen := make([][]float64, len(to))
	for range size.rounds {
		for i, at := range to {
			seen[i] = append(seen[i], r.connections(0, at, size.lasts))
		}
	}
	tb.Logf("connections a second, directly and through %d endpoints: %.0f", size.endpoints, seen)
	for i, n := range size.endpoints {
		out.add(row{
			Work: fmt.Sprintf("TCP connections, Pod to Service of %d endpoints", n), Figure: median(seen[i+1]), Unit: "/s",
			Peer: "Pod to Pod", PeerFigure: median(seen[0]),
		})
	}
}

// serviceRig is a node with Pods, and a datapath that knows them.
type serviceRig struct {
	*nettest.Node
	tb   testing.TB
	node *node
}

func newServiceRig(tb testing.TB, pods int) *serviceRig {
	r := &serviceRig{Node: nettest.NewNode(tb, pods), tb: tb}
	conn, err := of.Dial(tb.Context(), r.OVS.MgmtSocket(nettest.Bridge), of.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	r.node = newNode(tb, conn)
	r.node.inv.PutNamespace(inventory.Namespace{Name: "x"})
	r.node.dp.SetGateway(datapath.Gateway{OFPort: nettest.GatewayOFPort, MAC: r.GatewayMAC()})
	for i, p := range r.Pods {
		name := fmt.Sprintf("p%d", i)
		r.node.inv.PutPod(inventory.Pod{Namespace: "x", Name: name, Addresses: p.Addresses[:]})
		r.node.dp.PutPod(datapath.LocalPod{Namespace: "x", Name: name, OFPort: p.OFPort, MAC: p.MAC, Addresses: p.Addresses[:]})
	}
	r.node.realise(tb)
	return r
}

// put programmes a Service, and waits until the caches of Open vSwitch follow.
func (r *serviceRig) put(s datapath.ServicePort) {
	r.tb.Helper()
	if err := r.node.dp.PutService(s); err != nil {
		r.tb.Fatal(err)
	}
	r.node.realise(r.tb)
	r.OVS.Run("ovs-appctl", "revalidator/wait")
}

// welcome accepts connections in a Pod, until the other side ends them.
func (r *serviceRig) welcome(pod int, port uint16) {
	r.tb.Helper()
	var l net.Listener
	nettest.Do(r.tb, r.Pods[pod].NetNS, func() (err error) {
		l, err = net.Listen("tcp4", fmt.Sprintf(":%d", port))
		return err
	})
	r.tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1)) // its end
			_ = c.Close()
		}
	}()
}

// connections opens and ends one after the other, and says how many in a second.
func (r *serviceRig) connections(pod int, to netip.AddrPort, lasts time.Duration) float64 {
	r.tb.Helper()
	n, start := 0, time.Now()
	nettest.Do(r.tb, r.Pods[pod].NetNS, func() error {
		for ; n == 0 || time.Since(start) < lasts; n++ {
			c, err := net.DialTimeout("tcp4", to.String(), 5*time.Second)
			if err != nil {
				return err
			}
			_ = c.Close()
		}
		return nil
	})
	return float64(n) / time.Since(start).Seconds()
}
