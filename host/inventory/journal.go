package inventory

import (
	"cmp"
	"net/netip"
	"slices"
)

// journal remembers how things stood at the last Flush, for those that were
// touched since.
type journal struct {
	addresses map[netip.Addr]ClassID
	classes   map[ClassID]classBefore
	sets      map[SetKey]*setNote
}

// classBefore is what a class was: key "" if it was not there.
type classBefore struct {
	key   string
	local bool
}

// setNote is what changed in a set. A fresh set was not there at the last
// Flush. Of any other set it holds the members that it has now and had not, or
// had and has not: a member that goes and comes back drops out again.
type setNote struct {
	fresh   bool
	classes map[ClassID]struct{}
	blocks  map[BlockID]struct{}
}

func (j *journal) clear() {
	j.addresses = make(map[netip.Addr]ClassID)
	j.classes = make(map[ClassID]classBefore)
	j.sets = make(map[SetKey]*setNote)
}

// address is called before the owner of an address changes.
func (j *journal) address(addr netip.Addr, before ClassID) {
	if _, noted := j.addresses[addr]; !noted {
		j.addresses[addr] = before
	}
}

// class is called before a class comes (nil), goes, or gains its first or
// loses its last attached Pod.
func (j *journal) class(id ClassID, before *class) {
	if _, noted := j.classes[id]; noted {
		return
	}
	if before == nil {
		j.classes[id] = classBefore{}
	} else {
		j.classes[id] = classBefore{key: before.key, local: before.local > 0}
	}
}

func (j *journal) acquired(s *set) {
	if s.note = j.sets[s.key]; s.note == nil {
		s.note = &setNote{fresh: true}
		j.sets[s.key] = s.note
	}
}

// released is called when the set is gone from the inventory, its classes are
// removed, and its blocks are not yet.
func (j *journal) released(s *set) { j.noteOf(s) }

func (j *journal) noteOf(s *set) *setNote {
	if s.note == nil {
		s.note = new(setNote)
		j.sets[s.key] = s.note
	}
	return s.note
}

// member is called when a class enters or leaves a set.
func (j *journal) member(s *set, id ClassID) {
	if n := j.noteOf(s); !n.fresh {
		n.classes = toggle(n.classes, id)
	}
}

// block is called when a block enters or leaves a set.
func (j *journal) block(s *set, id BlockID) {
	if n := j.noteOf(s); !n.fresh {
		n.blocks = toggle(n.blocks, id)
	}
}

func toggle[ID comparable](ids map[ID]struct{}, id ID) map[ID]struct{} {
	if _, there := ids[id]; there {
		delete(ids, id)
		return ids
	}
	if ids == nil {
		ids = make(map[ID]struct{})
	}
	ids[id] = struct{}{}
	return ids
}

// Flush returns what changed since the last one and forgets it. It costs what
// changed.
func (inv *Inventory) Flush() Changes {
	inv.settle()
	var changes Changes
	j := &inv.journal
	for addr, before := range j.addresses {
		owner, _ := inv.owners.Get(addr)
		if now := owner.classID(); now != before {
			changes.Addresses = append(changes.Addresses, AddressChange{addr, now})
		}
	}
	slices.SortFunc(changes.Addresses, func(a, b AddressChange) int { return a.Addr.Compare(b.Addr) })
	for id, before := range j.classes {
		var now classBefore
		if c := inv.classes[id]; c != nil {
			now = classBefore{c.key, c.local > 0}
		}
		if now != before {
			changes.Classes = append(changes.Classes, id)
		}
	}
	slices.SortFunc(changes.Classes, cmp.Compare[ClassID])
	for key, n := range j.sets {
		s := inv.sets[key]
		if s != nil {
			s.note = nil
		}
		if n.fresh && s != nil && len(s.classes)+len(s.blocks) > 0 || len(n.classes)+len(n.blocks) > 0 {
			changes.Sets = append(changes.Sets, key)
		}
	}
	slices.SortFunc(changes.Sets, SetKey.Compare)
	changes.Blocks = inv.blocks.flush()
	j.clear()
	return changes
}
