package datapath

import (
	"iter"

	"github.com/sluice-net/sluice/host/inventory"
)

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
