package services

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/shares"
)

// Backends get equal shares of 100,000 connections, within 5%; and where chance alone
// would leave one further from that, not much further than it does. Ten share 256 slots
// almost evenly, the others have a second group for what is left of them.
func TestBackendsGetEqualShares(t *testing.T) {
	r := newRig(t, 2)
	const connections = 100_000
	for i, c := range []struct {
		protocol abi.Protocol
		backends int
	}{{abi.UDP, 10}, {abi.TCP, 17}, {abi.UDP, 37}} {
		t.Run(fmt.Sprintf("protocol %d, %d backends", c.protocol, c.backends), func(t *testing.T) {
			s := r.service(c.protocol, 0)
			s.Backends = addresses(c.backends)
			// What is open to another port is no new connection there.
			s.Frontends[0].Address = netip.AddrPortFrom(vips[0], uint16(80+i))
			r.put(s)
			share := shares.Open(t, r.Node, c.protocol, s.Frontends[0].Address, connections)
			r.dp.DeleteService(s.Name)
			r.realise()
			if all := shares.Total(share); all < connections*99/100 || len(share) != c.backends {
				t.Fatalf("%d connections were counted, to %d backends", all, len(share))
			}
			off, die := shares.Furthest(share), shares.OfADie(c.backends, connections)
			t.Logf("one is %.1f%% off an even share; a fair die: %.1f%%", off, die)
			if off > max(5, 2*die) {
				t.Errorf("one is %.1f%% off an even share; a fair die: %.1f%%", off, die)
			}
		})
	}
}

// A thousand backends are shared as a fair die would do it, although they are in groups
// of different sizes.
func TestAThousandBackendsGetEqualShares(t *testing.T) {
	r := newRig(t, 2)
	const backends, connections = 1000, 100_000
	s := r.service(abi.UDP, 0)
	s.Backends = addresses(backends)
	r.put(s)
	share := shares.Open(t, r.Node, abi.UDP, s.Frontends[0].Address, connections)
	if all := shares.Total(share); all < connections*99/100 {
		t.Fatalf("%d connections were counted", all)
	}
	u := shares.Unevenness(share, backends)
	t.Logf("unevenness %.2f", u)
	if u > 1.25 { // chance alone: 1, give or take 0.05
		t.Errorf("unevenness %.2f, of a fair die 1", u)
	}
}
