package datapath

import (
	"fmt"
	"iter"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// rule is a policy rule, or an isolation, which is a rule without peers, ports
// and lane that every other rule of the tier comes before.
type rule struct {
	key       policy.Key
	order     int
	spec      abi.RuleSpec
	isolation bool
	stage     Stage
	subjects  []*set
	peers     []*set
	parts     map[partKey]*part
}

// partKey tells the parts of a rule apart: the ports that are given by number,
// and each number that a port name stands for. Where the name is the peer's, peers
// that are given by address are a part of their own: they must be in a block
// and, besides, be Pods that have the port (SEMANTICS 12, 15).
type partKey struct {
	port    namedPort
	number  uint16
	byBlock bool
}

// part is what becomes one conjunction. It is installed while it has both a
// subject on this node and a peer.
type part struct {
	partKey
	rule     *rule
	id       uint32
	subjects int // local classes
	peers    int // classes and blocks
	holders  int // byBlock only: classes that have the port
	matches  []of.Match
	// signature is what its verdict writes into the packet: who decided.
	signature of.Actions
	lane      *lane // nil: not installed
}

func (p *part) named() bool { return p.port.name != "" }

// stageOf is the tier table of a rule.
func stageOf(d abi.Direction, t abi.Tier) Stage {
	first := IngressAdmin
	if d == abi.Egress {
		first = EgressAdmin
	}
	return first + Stage(t-abi.Admin)
}

// entryOf is the table before the tiers of a direction.
func entryOf(d abi.Direction) (stage Stage, localSubject uint) {
	if d == abi.Egress {
		return EgressEntry, bitOriginatorLocal
	}
	return IngressEntry, bitResponderLocal
}

// accepted is where packets go that a direction has let through.
func accepted(d abi.Direction) Stage {
	if d == abi.Egress {
		return IngressEntry
	}
	return Commit
}

// ends are the registers of the subject and of its peer.
func ends(d abi.Direction) (subject, peerClass, peerBlock of.Field) {
	if d == abi.Egress {
		return regSourceClass, regDestClass, regDestBlock
	}
	return regDestClass, regSourceClass, regSourceBlock
}

// destIsPeer says whether a named port is resolved on the peer: it belongs to
// whoever the connection is opened to (SEMANTICS 10).
func (r *rule) destIsPeer() bool { return r.spec.Direction == abi.Egress }

// namesPeerPort says that the part is about a port name of the peer.
func (p *part) namesPeerPort() bool { return p.named() && p.rule.destIsPeer() }

// peerDimension says whether the peer of a part is looked at. A named port is
// one of the peer's own, so even "any peer" must be a Pod that has it
// (SEMANTICS 12).
func (p *part) peerDimension() bool { return !p.rule.spec.AnyPeer || p.namesPeerPort() }

// peerClassSets are the sets whose classes are peers.
func (p *part) peerClassSets(every *set) []*set {
	switch {
	case p.byBlock:
		return nil
	case !p.rule.spec.AnyPeer:
		return p.rule.peers
	case p.namesPeerPort():
		return []*set{every}
	}
	return nil
}

// peerBlockSets are the sets whose blocks are peers.
func (p *part) peerBlockSets() []*set {
	if p.byBlock || !p.namesPeerPort() {
		return p.rule.peers
	}
	return nil
}

// The clauses of a conjunction: subject, peer, holder of the port, port. Those
// that a part does not need are left out. One clause alone needs no conjunction.
const (
	subjectClause = 1
	peerClause    = 2
	holderClause  = 3
)

func (p *part) dimensions() uint8 {
	n := uint8(1)
	if p.peerDimension() {
		n++
	}
	if p.byBlock {
		n++
	}
	if len(p.matches) > 0 {
		n++
	}
	return n
}

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
		p.matches = namedMatch(key.port, key.number)
	} else {
		p.matches = portMatches(r.spec.Ports)
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

// write puts all flows of an installed part into the book, erase takes them out.
func (c *rules) write(p *part) {
	for id := range c.subjectsOf(p) {
		c.writeSubject(p, id)
	}
	if p.dimensions() == 1 {
		return
	}
	for id := range c.peersOf(p) {
		c.writePeer(p, id, peerClause)
	}
	for b := range c.peerBlocksOf(p) {
		c.writePeerBlock(p, b)
	}
	for id := range c.holdersOf(p) {
		c.writePeer(p, id, holderClause)
	}
	for _, m := range p.matches {
		c.book.addClause(p.key(m), cookie(cookieClause, 0), clause{p.id, p.dimensions(), p.dimensions()})
	}
	c.book.put(p.verdict(of.MatchOf(of.ConjID.Is(uint64(p.id)))))
}

func (c *rules) erase(p *part) {
	for id := range c.subjectsOf(p) {
		c.eraseSubject(p, id)
	}
	if p.dimensions() == 1 {
		return
	}
	for id := range c.peersOf(p) {
		c.erasePeer(p, id, peerClause)
	}
	for b := range c.peerBlocksOf(p) {
		c.erasePeerBlock(p, b)
	}
	for id := range c.holdersOf(p) {
		c.erasePeer(p, id, holderClause)
	}
	for _, m := range p.matches {
		c.book.removeClause(p.key(m), clause{p.id, p.dimensions(), p.dimensions()})
	}
	c.book.remove(p.key(of.MatchOf(of.ConjID.Is(uint64(p.id)))))
}

// key is where a flow of the part lives.
func (p *part) key(m of.Match) of.FlowKey {
	return of.FlowKey{Table: uint8(p.rule.stage), Priority: p.lane.priority, Match: m}
}

// verdict is the flow that does what the rule says.
func (p *part) verdict(m of.Match) of.Flow {
	kind := cookieRule
	if p.rule.isolation {
		kind = cookieIsolate
	}
	f := of.Flow{Table: uint8(p.rule.stage), Priority: p.lane.priority, Match: m, Cookie: cookie(kind, p.id)}
	switch p.rule.spec.Action {
	case abi.Allow:
		f.Goto = uint8(accepted(p.rule.spec.Direction))
	case abi.Pass:
		f.Goto = uint8(stages[p.rule.stage].miss)
		return f // the tiers below decide
	default:
		f.Goto = uint8(Denied)
	}
	f.Actions = p.signature
	return f
}

// guard drops what conntrack calls invalid from or to a class that the part
// may deny something.
func (p *part) guard(id inventory.ClassID) (of.Flow, bool) {
	if !p.rule.isolation && p.rule.spec.Action != abi.Deny && p.rule.spec.Action != abi.Reject {
		return of.Flow{}, false
	}
	entry, local := entryOf(p.rule.spec.Direction)
	subject, _, _ := ends(p.rule.spec.Direction)
	return of.Flow{
		Table: uint8(entry), Priority: prioHigh, Cookie: cookie(cookieIsolate, p.id),
		Match: of.MatchOf(state(ctTracked|ctInvalid, ctTracked|ctInvalid), flag(local), subject.Is(uint64(id))),
	}, true
}

func (c *rules) writeSubject(p *part, id inventory.ClassID) {
	subject, _, _ := ends(p.rule.spec.Direction)
	m := of.MatchOf(subject.Is(uint64(id)))
	added := 0
	if p.dimensions() == 1 {
		f := p.verdict(m)
		added += c.book.addOwner(f)
	} else {
		added += c.book.addClause(p.key(m), cookie(cookieClause, uint32(id)), clause{p.id, subjectClause, p.dimensions()})
	}
	if g, guarded := p.guard(id); guarded {
		added += c.book.addOwner(g)
	}
	c.mention(id, added)
}

func (c *rules) eraseSubject(p *part, id inventory.ClassID) {
	subject, _, _ := ends(p.rule.spec.Direction)
	m := of.MatchOf(subject.Is(uint64(id)))
	removed := 0
	if p.dimensions() == 1 {
		removed += c.book.removeOwner(p.key(m), p.verdict(m).Cookie)
	} else {
		removed += c.book.removeClause(p.key(m), clause{p.id, subjectClause, p.dimensions()})
	}
	if g, guarded := p.guard(id); guarded {
		removed += c.book.removeOwner(g.Key(), g.Cookie)
	}
	c.mention(id, -removed)
}

func (c *rules) writePeer(p *part, id inventory.ClassID, k uint8) {
	_, peer, _ := ends(p.rule.spec.Direction)
	key := p.key(of.MatchOf(peer.Is(uint64(id))))
	c.mention(id, c.book.addClause(key, cookie(cookieClause, uint32(id)), clause{p.id, k, p.dimensions()}))
}

func (c *rules) erasePeer(p *part, id inventory.ClassID, k uint8) {
	_, peer, _ := ends(p.rule.spec.Direction)
	key := p.key(of.MatchOf(peer.Is(uint64(id))))
	c.mention(id, -c.book.removeClause(key, clause{p.id, k, p.dimensions()}))
}

func (c *rules) writePeerBlock(p *part, b inventory.BlockID) {
	_, _, block := ends(p.rule.spec.Direction)
	key := p.key(of.MatchOf(block.Is(uint64(b))))
	c.book.addClause(key, cookie(cookieClause, uint32(b)), clause{p.id, peerClause, p.dimensions()})
}

func (c *rules) erasePeerBlock(p *part, b inventory.BlockID) {
	_, _, block := ends(p.rule.spec.Direction)
	c.book.removeClause(p.key(of.MatchOf(block.Is(uint64(b)))), clause{p.id, peerClause, p.dimensions()})
}

// subjectsOf are the classes on this node that a part is about.
func (c *rules) subjectsOf(p *part) iter.Seq[inventory.ClassID] {
	return func(yield func(inventory.ClassID) bool) {
		for id := range union(p.rule.subjects) {
			if c.isSubject(p, id) && !yield(id) {
				return
			}
		}
	}
}

// peersOf are the classes that a part lets, or does not let, the subjects meet.
func (c *rules) peersOf(p *part) iter.Seq[inventory.ClassID] {
	return func(yield func(inventory.ClassID) bool) {
		for id := range union(p.peerClassSets(c.every)) {
			if c.isPeer(p, id) && !yield(id) {
				return
			}
		}
	}
}

// holdersOf are all classes that have the port of a byBlock part.
func (c *rules) holdersOf(p *part) iter.Seq[inventory.ClassID] {
	return func(yield func(inventory.ClassID) bool) {
		if !p.byBlock {
			return
		}
		for id := range c.every.classes {
			if c.hasPort(id, p.partKey) && !yield(id) {
				return
			}
		}
	}
}

func (c *rules) peerBlocksOf(p *part) iter.Seq[inventory.BlockID] {
	return func(yield func(inventory.BlockID) bool) {
		sets := p.peerBlockSets()
		for i, s := range sets {
			for b := range s.blocks {
				if !anyBlock(sets[:i], b) && !yield(b) {
					return
				}
			}
		}
	}
}

// isSubject and isPeer say whether a class that is in one of the rule's sets
// counts for this part.
func (c *rules) isSubject(p *part, id inventory.ClassID) bool {
	return c.class(id).local && (!p.named() || p.rule.destIsPeer() || c.hasPort(id, p.partKey))
}

func (c *rules) isPeer(p *part, id inventory.ClassID) bool {
	return !p.namesPeerPort() || c.hasPort(id, p.partKey)
}

func (c *rules) hasPort(id inventory.ClassID, key partKey) bool {
	for _, n := range c.portNumbers(id, key.port) {
		if n == key.number {
			return true
		}
	}
	return false
}

// union yields each class of any of the sets once.
func union(sets []*set) iter.Seq[inventory.ClassID] {
	return func(yield func(inventory.ClassID) bool) {
		for i, s := range sets {
			for id := range s.classes {
				if !anyClass(sets[:i], id) && !yield(id) {
					return
				}
			}
		}
	}
}

func anyClass(sets []*set, id inventory.ClassID) bool {
	for _, s := range sets {
		if _, in := s.classes[id]; in {
			return true
		}
	}
	return false
}

func anyBlock(sets []*set, b inventory.BlockID) bool {
	for _, s := range sets {
		if _, in := s.blocks[b]; in {
			return true
		}
	}
	return false
}
