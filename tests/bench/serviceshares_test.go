package bench

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/shares"
)

type serviceSharesSize struct {
	backends    []int
	connections int
}

func TestServiceShares(t *testing.T) {
	out := newTable()
	serviceShares(t, out, serviceSharesSize{backends: []int{3}, connections: 300})
	if len(out.Rows) != 1 || out.Rows[0].Ratio == 0 {
		t.Errorf("%+v", out.Rows)
	}
}

// serviceShares opens many connections to a Service, and looks for the backend that
// got the share furthest from even. The peer is a fair die: with few connections for
// each backend chance alone puts one further off than the aim is.
func serviceShares(tb testing.TB, out *table, size serviceSharesSize) {
	r := newServiceRig(tb, 2)
	for i, n := range size.backends {
		s := someService(100+i, n) // whose backends are nobody: a Pod would answer, and its connection end
		s.Frontends[0].Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 96, 0, byte(i + 1)}), 80)
		r.put(s)
		share := shares.Open(tb, r.Node, abi.TCP, s.Frontends[0].Address, size.connections)
		if got := shares.Total(share); got < size.connections*99/100 || len(share) != n {
			tb.Fatalf("%d connections to %d backends were counted, of %d to %d", got, len(share), size.connections, n)
		}
		die := shares.OfADie(n, size.connections)
		most := atMost(5)
		if die > 2.5 {
			most = ratioAtMost(1.5).own()
		}
		out.add(row{
			Work: fmt.Sprintf("%d backends in %s connections, furthest from an even share", n, number(float64(size.connections))), Figure: shares.Furthest(share), Unit: "%",
			Peer: "a fair die", PeerFigure: die, Aim: most,
		})
		r.node.dp.DeleteService(s.Name)
		r.node.realise(tb)
	}
}
