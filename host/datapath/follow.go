package datapath

import (
	"slices"

	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// This file keeps compiled rules in step with their sets. While a class joins,
// it is already in the set; while it leaves, it is still there: so whatever is
// written or erased on the way sees one and the same membership.

// sync brings a set to what the inventory says of it.
func (c *rules) sync(key policy.Key) {
	s := c.sets[key]
	if s == nil {
		return
	}
	classes, blocks := c.setOf(key)
	for id := range s.classes {
		if _, stays := classes[id]; !stays {
			c.leave(s, id)
		}
	}
	for id := range classes {
		if _, had := s.classes[id]; !had {
			c.join(s, id)
		}
	}
	for b := range s.blocks {
		if _, stays := blocks[b]; !stays {
			c.leaveBlock(s, b)
		}
	}
	for b := range blocks {
		if _, had := s.blocks[b]; !had {
			c.joinBlock(s, b)
		}
	}
}

func (c *rules) join(s *set, id inventory.ClassID) {
	s.classes[id] = struct{}{}
	c.class(id).sets[s] = struct{}{}
	for r := range s.subjectOf {
		if !inAnother(r.subjects, s, id) {
			c.subjectJoined(r, id)
		}
	}
	for r := range s.peerOf {
		if s == c.every || !inAnother(r.peers, s, id) {
			c.peerJoined(r, s, id)
		}
	}
}

func (c *rules) leave(s *set, id inventory.ClassID) {
	for r := range s.subjectOf {
		if !inAnother(r.subjects, s, id) {
			c.subjectLeft(r, id)
		}
	}
	for r := range s.peerOf {
		if s == c.every || !inAnother(r.peers, s, id) {
			c.peerLeft(r, s, id)
		}
	}
	delete(s.classes, id)
	delete(c.class(id).sets, s)
	c.forget(id)
}

// inAnother says whether a class is in one of the sets other than s.
func inAnother(sets []*set, s *set, id inventory.ClassID) bool {
	for _, other := range sets {
		if other != s {
			if _, in := other.classes[id]; in {
				return true
			}
		}
	}
	return false
}

func (c *rules) subjectJoined(r *rule, id inventory.ClassID) {
	var fresh map[*part]bool
	if !r.destIsPeer() {
		fresh = c.makeParts(r, id)
	}
	for _, p := range r.parts {
		if fresh[p] || !c.isSubject(p, id) {
			continue
		}
		p.subjects++
		if p.lane != nil {
			c.writeSubject(p, id)
		} else {
			c.review(p)
		}
	}
}

func (c *rules) subjectLeft(r *rule, id inventory.ClassID) {
	for _, p := range r.parts {
		if !c.isSubject(p, id) {
			continue
		}
		p.subjects--
		c.review(p)
		if p.lane != nil {
			c.eraseSubject(p, id)
		}
	}
}

func (c *rules) peerJoined(r *rule, s *set, id inventory.ClassID) {
	var fresh map[*part]bool
	if s == c.every {
		fresh = c.makeParts(r, id)
	}
	for _, p := range r.parts {
		count, k := c.peerRole(p, s, id)
		if count == nil || fresh[p] {
			continue
		}
		*count++
		if p.lane != nil {
			c.writePeer(p, id, k)
		} else {
			c.review(p)
		}
	}
}

func (c *rules) peerLeft(r *rule, s *set, id inventory.ClassID) {
	for _, p := range r.parts {
		count, k := c.peerRole(p, s, id)
		if count == nil {
			continue
		}
		*count--
		c.review(p)
		if p.lane != nil {
			c.erasePeer(p, id, k)
		}
	}
}

// peerRole says as what a class of a set counts for a part, and where; nil if
// it does not.
func (c *rules) peerRole(p *part, s *set, id inventory.ClassID) (count *int, k uint8) {
	switch {
	case p.byBlock:
		if s == c.every && c.hasPort(id, p.partKey) {
			return &p.holders, holderClause
		}
	case slices.Contains(p.peerClassSets(c.every), s) && c.isPeer(p, id):
		return &p.peers, peerClause
	}
	return nil, 0
}

func (c *rules) joinBlock(s *set, b inventory.BlockID) {
	s.blocks[b] = struct{}{}
	c.eachBlockPart(s, b, func(p *part) {
		p.peers++
		if p.lane != nil {
			c.writePeerBlock(p, b)
		} else {
			c.review(p)
		}
	})
}

func (c *rules) leaveBlock(s *set, b inventory.BlockID) {
	c.eachBlockPart(s, b, func(p *part) {
		p.peers--
		c.review(p)
		if p.lane != nil {
			c.erasePeerBlock(p, b)
		}
	})
	delete(s.blocks, b)
}

// eachBlockPart visits the parts for which a block of s counts, and counts once.
func (c *rules) eachBlockPart(s *set, b inventory.BlockID, visit func(*part)) {
	for r := range s.peerOf {
		counted := false
		for _, other := range r.peers {
			if other != s {
				_, in := other.blocks[b]
				counted = counted || in
			}
		}
		if counted {
			continue
		}
		for _, p := range r.parts {
			if p.peerBlockSets() != nil {
				visit(p)
			}
		}
	}
}

// localise records that a class now has, or no longer has, a Pod on this node.
func (c *rules) localise(id inventory.ClassID, local bool) {
	cl := c.class(id)
	if cl.local == local {
		return
	}
	about := map[*rule]struct{}{}
	for s := range cl.sets {
		for r := range s.subjectOf {
			about[r] = struct{}{}
		}
	}
	if local {
		cl.local = true
	}
	for r := range about {
		if local {
			c.subjectJoined(r, id)
		} else {
			c.subjectLeft(r, id)
		}
	}
	cl.local = local
}
