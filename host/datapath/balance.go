package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// How a group shares connections among its backends. Open vSwitch can let the
// datapath hash the packet and look the hash up in a table of slots (dp_hash),
// so that the first packets of further connections pass without ovs-vswitchd; or
// hash in ovs-vswitchd, for each connection (hash). A table has at most 256 slots.
// The more backends, the less even they share them: the latter is for many.
const (
	slots      = 256
	maxSlotted = 32 // backends: each has 8 slots at least
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
		return []wantedGroup{{GroupEntry: b.slotted()}}
	case n <= maxBuckets:
		return []wantedGroup{{GroupEntry: b.hashed(b.number, innerHash, b.port.Backends)}}
	}
	return b.nested()
}

// slotted gives each backend its share of all slots, to the slot. A bucket of
// weight 1 makes Open vSwitch use them all: it takes as many as the sum of the
// weights has multiples of the smallest one, and at least 16.
func (b *balancer) slotted() of.GroupEntry {
	backends := b.port.Backends
	share, more := slots/len(backends), slots%len(backends)
	ids := bucketIDs{}
	g := of.GroupEntry{ID: b.number, Type: of.GroupSelect, Selection: of.Selection{Method: "dp_hash"}}
	for i, backend := range backends {
		weight := share
		if i < more {
			weight++
		}
		if i == 0 {
			weight--
			g.Buckets = append(g.Buckets, of.Bucket{ID: ids.take(backend.String() + "+"), Weight: 1, Actions: b.actions(backend)})
		}
		g.Buckets = append(g.Buckets, of.Bucket{ID: ids.take(backend.String()), Weight: uint16(weight), Actions: b.actions(backend)})
	}
	sortBuckets(g.Buckets)
	return g
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
// are as many, so that one more or less changes one of them.
func (b *balancer) nested() []wantedGroup {
	inner := b.deal()
	outer := of.GroupEntry{ID: b.number, Type: of.GroupSelect, Selection: b.selection(outerHash)}
	var groups []wantedGroup
	for i, backends := range inner {
		id := b.take(fmt.Sprintf("%s\x00%d of %d", b.port.Name, i, len(inner)))
		groups = append(groups, wantedGroup{GroupEntry: b.hashed(id, innerHash, backends)})
		outer.Buckets = append(outer.Buckets, of.Bucket{ID: uint32(i), Weight: 1, Actions: of.Do(of.Group(id))})
	}
	return append(groups, wantedGroup{GroupEntry: outer, outer: true})
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
