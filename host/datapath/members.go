package datapath

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// set is a policy set as the compiler last saw it, with the rules that name it.
type set struct {
	spec      abi.SetSpec // nil: named by a rule, not put yet
	classes   map[inventory.ClassID]struct{}
	blocks    map[inventory.BlockID]struct{}
	subjectOf map[*rule]struct{}
	peerOf    map[*rule]struct{}
}

func newSet() *set {
	return &set{
		classes: map[inventory.ClassID]struct{}{}, blocks: map[inventory.BlockID]struct{}{},
		subjectOf: map[*rule]struct{}{}, peerOf: map[*rule]struct{}{},
	}
}

// class is a class as the compiler last saw it.
type class struct {
	addresses map[netip.Addr]struct{}
	sets      map[*set]struct{}
	local     bool // has a Pod on this node
	mentions  int  // clauses and verdicts that match it
	ports     map[namedPort][]uint16
}

type namedPort struct {
	protocol abi.Protocol
	name     string
}

// members are the lookups from addresses to classes and blocks.
type members struct {
	book    *book
	inv     *inventory.Inventory
	classes map[inventory.ClassID]*class
	of      map[netip.Addr]inventory.ClassID
	stale   map[netip.Addr]struct{} // addresses whose flows must be looked at
	shown   map[netip.Addr]struct{} // addresses that have flows
	// mentioned counts the classes that anything mentions.
	mentioned int
	all       bool // all addresses are looked up
	every     *set // all classes there are
}

func newMembers(b *book, inv *inventory.Inventory) *members {
	return &members{
		book: b, inv: inv, classes: map[inventory.ClassID]*class{},
		of: map[netip.Addr]inventory.ClassID{}, stale: map[netip.Addr]struct{}{}, shown: map[netip.Addr]struct{}{}, every: newSet(),
	}
}

func (m *members) class(id inventory.ClassID) *class {
	c := m.classes[id]
	if c == nil {
		c = &class{addresses: map[netip.Addr]struct{}{}, sets: map[*set]struct{}{}, ports: map[namedPort][]uint16{}}
		m.classes[id] = c
	}
	return c
}

// portNumbers are the numbers that a port name stands for in a class. They are
// part of what makes the class, so they never change; they are kept because
// they are still needed when the inventory has forgotten the class.
func (m *members) portNumbers(id inventory.ClassID, p namedPort) []uint16 {
	c := m.class(id)
	numbers, known := c.ports[p]
	if !known {
		numbers = m.inv.ClassPort(id, p.protocol, p.name)
		c.ports[p] = numbers
	}
	return numbers
}

// mention counts what matches a class; the first and the last make its
// addresses come and go.
func (m *members) mention(id inventory.ClassID, by int) {
	c := m.class(id)
	before := c.mentions > 0
	c.mentions += by
	if before != (c.mentions > 0) {
		if before {
			m.mentioned--
		} else {
			m.mentioned++
		}
		for a := range c.addresses {
			m.stale[a] = struct{}{}
		}
		m.forget(id)
	}
}

// move records that an address is now of another class (0: of none).
func (m *members) move(a netip.Addr, to inventory.ClassID) {
	if from, had := m.of[a]; had {
		delete(m.class(from).addresses, a)
	}
	if to == 0 {
		delete(m.of, a)
	} else {
		m.of[a] = to
		m.class(to).addresses[a] = struct{}{}
	}
	m.stale[a] = struct{}{}
}

// A node looks up all addresses that it knows, so that a rule about classes that
// no rule has mentioned before costs no flow per Pod; but only if there is any
// rule, and only up to this many addresses: beyond, a class is looked up while
// something mentions it, as two flows for each Pod of a large cluster would be
// most of all flows. The two bounds lie apart, so that Pods that come and go do
// not make all lookups come and go.
const (
	lookUpAll  = 20_000
	lookUpLess = 25_000
)

// decide says whether all addresses are looked up from now on.
func (m *members) decide() {
	all := m.mentioned > 0 && len(m.of) <= lookUpAll || m.mentioned > 0 && m.all && len(m.of) <= lookUpLess
	if all == m.all {
		return
	}
	m.all = all
	for a := range m.of {
		m.stale[a] = struct{}{}
	}
}

// settle writes the lookups of all addresses that were touched.
func (m *members) settle() {
	m.decide()
	for a := range m.stale {
		id, known := m.of[a]
		wanted := known && (m.all || m.class(id).mentions > 0)
		_, shown := m.shown[a]
		switch {
		case wanted:
			m.shown[a] = struct{}{}
		case shown:
			delete(m.shown, a)
		default:
			continue // nobody asks for it and nobody did: most Pods of a cluster
		}
		for _, f := range memberFlows(a, uint32(id), prioLow) {
			if wanted {
				m.book.put(f)
			} else {
				m.book.remove(f.Key())
			}
		}
	}
	m.stale = emptied(m.stale)
}

func (m *members) forget(id inventory.ClassID) {
	if c := m.classes[id]; c != nil && len(c.addresses) == 0 && len(c.sets) == 0 && c.mentions == 0 {
		delete(m.classes, id)
	}
}

// memberFlows look an address up, as source and as destination.
func memberFlows(a netip.Addr, class uint32, priority uint16) [2]of.Flow {
	src, dst, eth := of.IPv4Src, of.IPv4Dst, uint64(ethIPv4)
	if a.Is6() {
		src, dst, eth = of.IPv6Src, of.IPv6Dst, ethIPv6
	}
	flow := func(stage Stage, field, reg of.Field) of.Flow {
		return of.Flow{
			Table: uint8(stage), Priority: priority, Cookie: cookie(cookieMember, class),
			Match:   of.MatchOf(of.EthType.Is(eth), field.Addr(a)),
			Actions: of.Do(of.SetField(reg.Is(uint64(class)))), Goto: uint8(stages[stage].miss),
		}
	}
	return [2]of.Flow{flow(SourceClass, src, regSourceClass), flow(DestClass, dst, regDestClass)}
}

// blockFlows look a prefix up; longer prefixes have higher priorities. Every
// block is installed, also one that no rule here names: it may be a hole in a
// shorter one.
func blockFlows(p netip.Prefix, block inventory.BlockID) [2]of.Flow {
	src, dst, eth := of.IPv4Src, of.IPv4Dst, uint64(ethIPv4)
	if p.Addr().Is6() {
		src, dst, eth = of.IPv6Src, of.IPv6Dst, ethIPv6
	}
	flow := func(stage Stage, field, reg of.Field) of.Flow {
		clauses := []of.Clause{of.EthType.Is(eth)}
		if p.Bits() > 0 {
			clauses = append(clauses, field.Prefix(p))
		}
		return of.Flow{
			Table: uint8(stage), Priority: prioLow + uint16(p.Bits()), Cookie: cookie(cookieMember, uint32(block)),
			Match: of.MatchOf(clauses...), Actions: of.Do(of.SetField(reg.Is(uint64(block)))), Goto: uint8(stages[stage].miss),
		}
	}
	return [2]of.Flow{flow(SourceBlock, src, regSourceBlock), flow(DestBlock, dst, regDestBlock)}
}

// setOf is what the inventory now says of a set.
func (m *members) setOf(key policy.Key) (map[inventory.ClassID]struct{}, map[inventory.BlockID]struct{}) {
	classes, blocks := map[inventory.ClassID]struct{}{}, map[inventory.BlockID]struct{}{}
	for _, c := range m.inv.SetClasses(key) {
		classes[c] = struct{}{}
	}
	for _, b := range m.inv.SetBlocks(key) {
		blocks[b] = struct{}{}
	}
	return classes, blocks
}
