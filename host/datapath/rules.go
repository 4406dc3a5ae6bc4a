package datapath

import (
	"fmt"
	"iter"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// rules compiles rules into clauses and verdicts in the book, and keeps them
// in step with classes that come, go, become local or change their sets.
type rules struct {
	*members
	sets   map[policy.Key]*set
	byKey  map[policy.Key]*rule // isolations under isolationKey
	tables map[Stage]*lanes
	ids    map[uint32]*part
	failed map[policy.Key]error
}

// isolationKey keeps the names of rules and isolations apart.
func isolationKey(k policy.Key) policy.Key {
	return policy.Key{Module: k.Module, Name: "\x00" + k.Name}
}

func newRules(m *members, hint func(uint32) (uint16, bool)) *rules {
	c := &rules{
		members: m, sets: map[policy.Key]*set{}, byKey: map[policy.Key]*rule{},
		tables: map[Stage]*lanes{}, ids: map[uint32]*part{}, failed: map[policy.Key]error{},
	}
	for _, s := range []Stage{EgressAdmin, EgressNetwork, EgressBaseline, IngressAdmin, IngressNetwork, IngressBaseline} {
		c.tables[s] = &lanes{stage: s, hint: hint, withdraw: c.withdrawTable, restore: c.restoreTable}
	}
	return c
}

func (c *rules) set(key policy.Key) *set {
	s := c.sets[key]
	if s == nil {
		s = newSet()
		c.sets[key] = s
	}
	return s
}

// add compiles a rule that is not there yet.
func (c *rules) add(r *rule) {
	r.stage = stageOf(r.spec.Direction, r.spec.Tier)
	r.parts = map[partKey]*part{}
	for _, name := range r.spec.Subjects {
		s := c.set(policy.Key{Module: r.key.Module, Name: name})
		s.subjectOf[r] = struct{}{}
		r.subjects = append(r.subjects, s)
	}
	for _, name := range peerNames(r.spec) {
		s := c.set(policy.Key{Module: r.key.Module, Name: name})
		s.peerOf[r] = struct{}{}
		r.peers = append(r.peers, s)
	}
	named := false
	numbered := len(r.spec.Ports) == 0
	for _, p := range r.spec.Ports {
		named = named || p.Name != ""
		numbered = numbered || p.Name == ""
	}
	if numbered {
		c.part(r, partKey{})
	}
	if !named {
		return
	}
	for id := range c.destinations(r) {
		c.makeParts(r, id)
	}
}

// destinations are the classes that may hold the named ports of a rule.
func (c *rules) destinations(r *rule) iter.Seq[inventory.ClassID] {
	if !r.destIsPeer() {
		return union(r.subjects)
	}
	// Peers that are given by address may be any Pod.
	c.every.peerOf[r] = struct{}{}
	return union([]*set{c.every})
}

// peerNames are the sets of a rule's peers; with AnyPeer there are none to look at.
func peerNames(spec abi.RuleSpec) []string {
	if spec.AnyPeer {
		return nil
	}
	return spec.Peers
}

// drop takes a rule out.
func (c *rules) drop(r *rule) {
	for _, p := range r.parts {
		c.uninstall(p)
		delete(c.ids, p.id)
	}
	for _, s := range r.subjects {
		delete(s.subjectOf, r)
	}
	for _, s := range r.peers {
		delete(s.peerOf, r)
	}
	delete(c.every.peerOf, r)
}

// makeParts makes the parts of a rule for the port numbers that come with a
// class at the destination end, and says which are new: those have counted the
// class already.
func (c *rules) makeParts(r *rule, dest inventory.ClassID) (fresh map[*part]bool) {
	add := func(key partKey) {
		if r.parts[key] == nil {
			if fresh == nil {
				fresh = map[*part]bool{}
			}
			fresh[c.part(r, key)] = true
		}
	}
	for _, p := range r.spec.Ports {
		if p.Name == "" {
			continue
		}
		port := namedPort{p.Protocol, p.Name}
		for _, number := range c.portNumbers(dest, port) {
			add(partKey{port: port, number: number})
			if r.destIsPeer() && !r.spec.AnyPeer {
				add(partKey{port: port, number: number, byBlock: true})
			}
		}
	}
	return fresh
}

// part finds or makes a part, counting its members as they are now.
func (c *rules) part(r *rule, key partKey) *part {
	if p := r.parts[key]; p != nil {
		return p
	}
	p := &part{partKey: key, rule: r}
	if p.named() {
		p.matches = lettingThrough(r.spec.Action, namedMatch(key.port, key.number), key.port.protocol)
	} else {
		p.matches = lettingThrough(r.spec.Action, portMatches(r.spec.Ports), withPorts(r.spec.Ports)...)
	}
	p.id = c.identify(p)
	p.signature = p.sign()
	r.parts[key] = p
	for range c.subjectsOf(p) {
		p.subjects++
	}
	for range c.peersOf(p) {
		p.peers++
	}
	for range c.peerBlocksOf(p) {
		p.peers++
	}
	for range c.holdersOf(p) {
		p.holders++
	}
	c.review(p)
	return p
}

// identify gives a part a number that depends on its name alone, so that a
// restarted agent and a new generation find the same one. Two names that meet
// in one number are told apart by counting on.
func (c *rules) identify(p *part) uint32 {
	id := fold(p.rule.stage, p.rule.key, p.rule.isolation, p.partKey)
	for id == 0 || c.ids[id] != nil {
		id++
	}
	c.ids[id] = p
	return id
}

// installed as it should be?
func (c *rules) review(p *part) {
	ready := p.subjects > 0 && (p.peers > 0 || !p.peerDimension()) && (p.holders > 0 || !p.byBlock)
	switch {
	case ready && p.lane == nil:
		c.install(p)
	case !ready && p.lane != nil:
		c.uninstall(p)
	}
}

func (c *rules) install(p *part) {
	r := p.rule
	if r.isolation {
		p.lane = &lane{priority: prioIsolation, direct: true}
	} else {
		lv := levelOf(r)
		l, err := c.tables[r.stage].take(lv, p.dimensions() == 1, p.id)
		if err != nil {
			c.failed[r.key] = fmt.Errorf("rule %q of module %q: %w", r.key.Name, r.key.Module, err)
			return
		}
		p.lane = l
	}
	c.write(p)
}

func (c *rules) uninstall(p *part) {
	if p.lane == nil {
		return
	}
	c.erase(p)
	if !p.rule.isolation {
		c.tables[p.rule.stage].release(p.lane)
	}
	p.lane = nil
}

// withdrawTable and restoreTable take all rules of a table out of the book and
// put them back, while lanes change their numbers.
func (c *rules) withdrawTable(s Stage) { c.eachInstalled(s, c.erase) }
func (c *rules) restoreTable(s Stage)  { c.eachInstalled(s, c.write) }

func (c *rules) eachInstalled(s Stage, do func(*part)) {
	for _, p := range c.ids {
		if p.rule.stage == s && p.lane != nil && !p.rule.isolation {
			do(p)
		}
	}
}
