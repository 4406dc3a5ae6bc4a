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
	notes     []*setNote          // of all sets that were touched
	gone      map[SetKey]*setNote // of those that are released now
	spare     []*setNote          // empty ones, to be used again
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
	key     SetKey
	set     *set // nil: released
	fresh   bool
	classes toggles[ClassID]
	blocks  toggles[BlockID]
}

// toggles is a set of ids. Nearly always it is tiny.
type toggles[ID comparable] struct {
	few  []ID
	many map[ID]struct{} // nil: all are in few
}

// fewToggles is how many are looked through one by one.
const fewToggles = 16

func (t *toggles[ID]) toggle(id ID) {
	if t.many != nil {
		if _, there := t.many[id]; there {
			delete(t.many, id)
		} else {
			t.many[id] = struct{}{}
		}
		return
	}
	if i := slices.Index(t.few, id); i >= 0 {
		t.few[i] = t.few[len(t.few)-1]
		t.few = t.few[:len(t.few)-1]
		return
	}
	if t.few = append(t.few, id); len(t.few) > fewToggles {
		t.many = make(map[ID]struct{}, 2*len(t.few))
		for _, id := range t.few {
			t.many[id] = struct{}{}
		}
		t.few = nil
	}
}

func (t *toggles[ID]) len() int { return len(t.few) + len(t.many) }

// spareNotes and spareEntries bound what is kept for the next time.
const (
	spareNotes   = 1024
	spareEntries = 16
)

func (j *journal) clear() {
	j.addresses, j.classes, j.gone = emptied(j.addresses), emptied(j.classes), emptied(j.gone)
	for _, n := range j.notes {
		// A set that was released may still know its note.
		if n.set != nil && len(j.spare) < spareNotes {
			*n = setNote{classes: toggles[ClassID]{few: n.classes.few[:0]}, blocks: toggles[BlockID]{few: n.blocks.few[:0]}}
			j.spare = append(j.spare, n)
		}
	}
	clear(j.notes)
	j.notes = j.notes[:0]
}

// emptied is the map without entries, or another if it was large: going through
// a map costs what it once held.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil || len(m) > spareEntries {
		return make(map[K]V)
	}
	clear(m)
	return m
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
	if n := j.gone[s.key]; n != nil {
		delete(j.gone, s.key)
		n.set, s.note = s, n
		return
	}
	j.noteOf(s).fresh = true
}

// released is called when the set is gone from the inventory, its classes are
// removed, and its blocks are not yet.
func (j *journal) released(s *set) {
	n := j.noteOf(s)
	n.set = nil
	j.gone[s.key] = n
}

func (j *journal) noteOf(s *set) *setNote {
	if s.note == nil {
		if last := len(j.spare) - 1; last >= 0 {
			s.note, j.spare = j.spare[last], j.spare[:last]
		} else {
			s.note = new(setNote)
		}
		s.note.key, s.note.set = s.key, s
		j.notes = append(j.notes, s.note)
	}
	return s.note
}

// member is called when a class enters or leaves a set.
func (j *journal) member(s *set, id ClassID) {
	if n := j.noteOf(s); !n.fresh {
		n.classes.toggle(id)
	}
}

// block is called when a block enters or leaves a set.
func (j *journal) block(s *set, id BlockID) {
	if n := j.noteOf(s); !n.fresh {
		n.blocks.toggle(id)
	}
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
	for _, n := range j.notes {
		if n.set != nil {
			n.set.note = nil
		}
		if n.fresh && n.set != nil && len(n.set.classes)+len(n.set.blocks) > 0 || n.classes.len()+n.blocks.len() > 0 {
			if changes.Sets == nil {
				changes.Sets = make([]SetKey, 0, len(j.notes))
			}
			changes.Sets = append(changes.Sets, n.key)
		}
	}
	slices.SortFunc(changes.Sets, SetKey.Compare)
	changes.Blocks = inv.blocks.flush()
	j.clear()
	return changes
}
