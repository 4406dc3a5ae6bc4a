package datapath

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// How a group shares connections among its backends. Open vSwitch can let the
// datapath hash the packet and look the hash up in a table of slots (dp_hash),
// so that the first packets of further connections pass without ovs-vswitchd; or
// hash in ovs-vswitchd, for each connection (hash). A table has at most 256 slots;
// those that cannot be dealt out evenly are spare, and what meets one of them is
// hashed the other way. The latter is for all that meets very many backends.
const (
	slots = 256
	// maxSlotted is how many backends may have slots: with two buckets for the
	// spare slots a group of them is not too large to be written whole (small).
	maxSlotted = 60
	// unevenness is how far from even, in tenths of a percent, a backend's number of
	// slots may be if there are no spare ones: half of what should never be seen, as
	// chance adds its part. Up to ten backends it is less.
	unevenness = 25
	// maxBuckets is when a group is split: the description of one is one message
	// of OpenFlow, and Open vSwitch 3.1 to 3.7 ends with a failed assertion
	// when somebody asks it to describe groups of which one takes more than 65535
	// bytes. A bucket takes up to 216.
	maxBuckets = 256
	// perInner is how many backends an inner group has on average, of those that
	// were split. It is that far below maxBuckets, as they are dealt by hash.
	perInner = 192
)

// Parameters of hash: inner groups must not choose by what outer ones chose by.
const (
	outerHash = 1
	innerHash = 2
)

// balancer makes the groups of a ServicePort.
type balancer struct {
	port    *ServicePort
	number  uint32                   // of the port, and of its outermost group
	take    func(name string) uint32 // the number of another group
	actions func(backend netip.AddrPort) of.Actions
}

func (b *balancer) groups() []wantedGroup {
	n := len(b.port.Backends)
	switch {
	case n == 0:
		return nil
	case n == 1:
		k := of.Bucket{Actions: b.actions(b.port.Backends[0])}
		return []wantedGroup{{GroupEntry: of.GroupEntry{ID: b.number, Type: of.GroupIndirect, Buckets: []of.Bucket{k}}}}
	case n <= maxSlotted && b.port.Affinity == 0:
		return b.slotted()
	case n <= maxBuckets:
		return []wantedGroup{{GroupEntry: b.hashed(b.number, innerHash, b.port.Backends)}}
	}
	return b.nested()
}

// slotted gives each backend its share of all slots, to the slot. What is left
// goes to the first backends if that is even enough, else to a second group.
func (b *balancer) slotted() []wantedGroup {
	backends := b.port.Backends
	share, left := slots/len(backends), slots%len(backends)
	deal := slotDealer{group: of.GroupEntry{ID: b.number, Type: of.GroupSelect, Selection: of.Selection{Method: "dp_hash"}}, ids: bucketIDs{}}
	var spare []wantedGroup
	if !even(len(backends)) {
		id := b.take(b.port.Name + "\x00spare")
		deal.add("spare", left, of.Do(of.Group(id)))
		spare, left = []wantedGroup{{GroupEntry: b.hashed(id, innerHash, backends)}}, 0
	}
	for i, backend := range backends {
		mine := share
		if i < left {
			mine++
		}
		deal.add(backend.String(), mine, b.actions(backend))
	}
	sortBuckets(deal.group.Buckets)
	return append(spare, wantedGroup{GroupEntry: deal.group, outer: len(spare) > 0})
}

// even says whether so many backends can share all slots almost evenly.
func even(backends int) bool {
	share, left := slots/backends, slots%backends
	return left == 0 || 1000*(share+1)*backends <= (1000+unevenness)*slots && 1000*share*backends >= (1000-unevenness)*slots
}

// slotDealer makes a group in which a bucket has as many slots as its weight. One
// of weight 1 makes Open vSwitch use all slots: it takes as many as the sum of the
// weights has multiples of the smallest one, and at least 16.
type slotDealer struct {
	group of.GroupEntry
	ids   bucketIDs
}

func (d *slotDealer) add(name string, slots int, actions of.Actions) {
	if len(d.group.Buckets) == 0 && slots > 1 {
		d.group.Buckets = append(d.group.Buckets, of.Bucket{ID: d.ids.take(name + "+"), Weight: 1, Actions: actions})
		slots--
	}
	d.group.Buckets = append(d.group.Buckets, of.Bucket{ID: d.ids.take(name), Weight: uint16(slots), Actions: actions})
}

// hashed chooses the bucket whose number goes best with the hash of the packet
// (highest random weight), so that a backend that comes or goes changes the
// choice for its own share only.
func (b *balancer) hashed(id uint32, param uint64, backends []netip.AddrPort) of.GroupEntry {
	ids := bucketIDs{}
	g := of.GroupEntry{ID: id, Type: of.GroupSelect, Selection: b.selection(param), Buckets: make([]of.Bucket, len(backends))}
	for i, backend := range backends {
		g.Buckets[i] = of.Bucket{ID: ids.take(backend.String()), Weight: 1, Actions: b.actions(backend)}
	}
	sortBuckets(g.Buckets)
	return g
}

// selection hashes what tells the clients' connections apart, or with affinity
// the clients.
func (b *balancer) selection(param uint64) of.Selection {
	fields := []of.Field{of.IPv4Src}
	if b.port.v6() {
		fields[0] = of.IPv6Src
	}
	if b.port.Affinity == 0 {
		fields = append(fields, map[abi.Protocol]of.Field{abi.TCP: of.TCPSrc, abi.UDP: of.UDPSrc, abi.SCTP: of.SCTPSrc}[b.port.Protocol])
	}
	return of.Selection{Method: "hash", Param: param, Fields: of.Fields(fields...)}
}

// nested deals the backends out to inner groups, of which the outer one chooses.
// Which one a backend goes to depends on its address alone, as long as there
// are as many, so that one more or less changes one of them, and sometimes its
// weight.
func (b *balancer) nested() []wantedGroup {
	inner := b.deal()
	outer := of.GroupEntry{ID: b.number, Type: of.GroupSelect, Selection: b.selection(outerHash)}
	var groups []wantedGroup
	for i, backends := range inner {
		id := b.take(fmt.Sprintf("%s\x00%d of %d", b.port.Name, i, len(inner)))
		groups = append(groups, wantedGroup{GroupEntry: b.hashed(id, innerHash, backends)})
		outer.Buckets = append(outer.Buckets, of.Bucket{ID: uint32(i), Weight: innerWeight(len(backends), len(inner)), Actions: of.Do(of.Group(id))})
	}
	return append(groups, wantedGroup{GroupEntry: outer, outer: true})
}

// innerWeight makes a group of so many backends, one of so many groups, be chosen as
// often as it has backends. With hash the bucket is chosen whose hash, a number of
// 16 bits, times its weight is largest (ofproto-dpif-xlate.c, group_best_live_bucket).
// Of k buckets of about one weight one that is heavier by a part x is so chosen
// exp(k x) times as often. A few backends more or less change nothing.
func innerWeight(backends, groups int) uint16 {
	const middle, step = 32768, 8
	rounded := max((backends+step/2)/step*step, 1)
	return uint16(middle * (1 + math.Log(float64(rounded)/perInner)/float64(groups)))
}

// deal is by hash; should that put too many into one group, it is in turn.
func (b *balancer) deal() [][]netip.AddrPort {
	backends := b.port.Backends
	count := 2
	for count*perInner < len(backends) {
		count *= 2
	}
	inner := make([][]netip.AddrPort, count)
	for _, backend := range backends {
		i := foldText(backend.String()) % uint32(count)
		inner[i] = append(inner[i], backend)
		if len(inner[i]) > maxBuckets {
			return slices.Collect(slices.Chunk(backends, perInner))
		}
	}
	return slices.DeleteFunc(inner, func(part []netip.AddrPort) bool { return len(part) == 0 })
}

// bucketIDs gives buckets of one group numbers that come from their names.
type bucketIDs map[uint32]struct{}

func (ids bucketIDs) take(name string) uint32 {
	id := foldText(name) % of.BucketMax
	for {
		if _, taken := ids[id]; !taken {
			ids[id] = struct{}{}
			return id
		}
		id = (id + 1) % of.BucketMax
	}
}
