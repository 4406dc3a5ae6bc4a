package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// sharesOf are the shares of all connections that each backend of n gets, as weights
// and slots have it, and how many messages the groups are.
func sharesOf(t *testing.T, n int) (shares map[of.Actions]float64, groups []wantedGroup) {
	t.Helper()
	p := ServicePort{Name: "x/y", Protocol: abi.TCP, Frontends: []Frontend{{Address: netip.MustParseAddrPort("10.96.0.1:80")}}}
	for i := range n {
		p.Backends = append(p.Backends, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80))
	}
	numbers := newNumbers()
	b := &balancer{port: &p, number: 1, take: numbers.take, actions: func(to netip.AddrPort) of.Actions {
		return of.Do(of.CT{Commit: true, NAT: &of.NAT{Destination: true, Min: to.Addr(), MinPort: to.Port()}})
	}}
	groups = b.groups()
	byID := map[uint32]of.GroupEntry{}
	leads := map[of.Actions]uint32{}
	for _, g := range groups {
		byID[g.ID] = g.GroupEntry
		leads[of.Do(of.Group(g.ID))] = g.ID
	}
	shares = map[of.Actions]float64{}
	var walk func(id uint32, part float64)
	walk = func(id uint32, part float64) {
		g := byID[id]
		total := 0.0
		for _, k := range g.Buckets {
			total += float64(max(k.Weight, 1))
		}
		for _, k := range g.Buckets {
			mine := part * float64(max(k.Weight, 1)) / total
			if inner, is := leads[k.Actions]; is {
				walk(inner, mine)
			} else {
				shares[k.Actions] += mine
			}
		}
	}
	walk(1, 1)
	return shares, groups
}

// Whatever their number, backends that have slots share them within 2.5% of even, all
// 256 are used, and no group is too large to be written whole.
func TestSlotsAreSharedEvenly(t *testing.T) {
	for n := 2; n <= maxSlotted; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			shares, groups := sharesOf(t, n)
			if len(shares) != n {
				t.Errorf("%d backends have shares", len(shares))
			}
			for _, share := range shares {
				if off := 1000 * (share*float64(n) - 1); off < -unevenness || off > unevenness {
					t.Errorf("one is %+.1f%% off an even share", off/10)
				}
			}
			weights, least := 0, slots
			outer := groups[len(groups)-1]
			for _, k := range outer.Buckets {
				weights, least = weights+int(k.Weight), min(least, int(k.Weight))
			}
			if outer.ID != 1 || weights != slots || least != 1 {
				t.Errorf("group %d, weights of %d, the least is %d", outer.ID, weights, least)
			}
			if len(outer.Buckets) > small || len(groups) > 2 || n <= 10 && len(groups) > 1 {
				t.Errorf("%d groups, the outer one of %d buckets", len(groups), len(outer.Buckets))
			}
		})
	}
}

// chosen is how often hash chooses each of buckets with these weights, if hashes are
// even: the one whose hash times its weight is largest.
func chosen(weights []float64) []float64 {
	const steps = 4000
	parts, heaviest := make([]float64, len(weights)), slices.Max(weights)
	for i := range steps {
		x := (float64(i) + 0.5) / steps * heaviest
		for k, w := range weights {
			if x > w {
				continue
			}
			part := heaviest / steps / w // that the hash of k times w is about x
			for other, v := range weights {
				if other != k {
					part *= min(1, x/v)
				}
			}
			parts[k] += part
		}
	}
	return parts
}

// Groups in groups are chosen as often as they have backends.
func TestThousandsAreSharedEvenly(t *testing.T) {
	for _, n := range []int{257, 300, 400, 769, 1000, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			_, groups := sharesOf(t, n)
			outer := groups[len(groups)-1]
			size := map[of.Actions]int{}
			for _, g := range groups[:len(groups)-1] {
				size[of.Do(of.Group(g.ID))] = len(g.Buckets)
				if len(g.Buckets) > maxBuckets {
					t.Errorf("a group of %d", len(g.Buckets))
				}
			}
			var weights []float64
			for _, k := range outer.Buckets {
				weights = append(weights, float64(k.Weight))
			}
			for i, part := range chosen(weights) {
				backends := size[outer.Buckets[i].Actions]
				if off := 100 * (part*float64(n)/float64(backends) - 1); off < -5 || off > 5 {
					t.Errorf("%d backends of one group get %+.1f%%", backends, off)
				}
			}
		})
	}
}
