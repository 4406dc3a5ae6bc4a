package datapath

import (
	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
)

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
