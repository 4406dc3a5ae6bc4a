package datapath

import (
	"cmp"
	"maps"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// groupBook is for groups what book is for flows: it keeps what is wanted and
// what is installed. Buckets are kept in the order of their numbers, which has
// no meaning for what a group does.
type groupBook struct {
	wanted    map[uint32]wantedGroup
	installed map[uint32]of.GroupEntry
	dirty     map[uint32]struct{}
	buckets   int // wanted
}

// wantedGroup is a group, and whether its buckets lead to other groups, which
// must be there before it.
type wantedGroup struct {
	of.GroupEntry
	outer bool
}

func newGroupBook() *groupBook {
	return &groupBook{wanted: map[uint32]wantedGroup{}, installed: map[uint32]of.GroupEntry{}, dirty: map[uint32]struct{}{}}
}

func (b *groupBook) put(g wantedGroup) {
	b.buckets += len(g.Buckets) - len(b.wanted[g.ID].Buckets)
	b.wanted[g.ID] = g
	b.dirty[g.ID] = struct{}{}
}

func (b *groupBook) remove(id uint32) {
	b.buckets -= len(b.wanted[id].Buckets)
	delete(b.wanted, id)
	b.dirty[id] = struct{}{}
}

// changes are what is to be written before the flows and after them. Groups
// that turn out to be equal are struck off.
func (b *groupBook) changes() (before, after []of.Mod) {
	ids := slices.SortedFunc(maps.Keys(b.dirty), func(x, y uint32) int {
		return cmp.Or(cmp.Compare(b.rank(x), b.rank(y)), cmp.Compare(x, y))
	})
	for _, id := range ids {
		now, there := b.installed[id]
		g, wanted := b.wanted[id]
		switch {
		case wanted && there:
			if mods := groupChange(now, g.GroupEntry); len(mods) > 0 {
				before = append(before, mods...)
				continue
			}
			delete(b.dirty, id)
		case wanted:
			before = append(before, of.PutGroup(g.GroupEntry))
		case there:
			after = append(after, of.DeleteGroup(id))
		default:
			delete(b.dirty, id)
		}
	}
	return before, after
}

// rank puts inner groups before outer ones.
func (b *groupBook) rank(id uint32) int {
	if b.wanted[id].outer {
		return 1
	}
	return 0
}

// small is how many buckets are written all at once rather than one by one.
const small = 64

// groupChange makes one group of another: with a message for each bucket that
// goes and one for all that come, or with one for the whole group if that is
// shorter or small. Either way a packet meets the one group or the other.
func groupChange(from, to of.GroupEntry) []of.Mod {
	if from.Equal(to) {
		return nil
	}
	if from.Type != to.Type || from.Selection != to.Selection {
		return []of.Mod{of.PutGroup(to)}
	}
	had := make(map[uint32]of.Bucket, len(from.Buckets))
	for _, k := range from.Buckets {
		had[k.ID] = k
	}
	var come []of.Bucket
	for _, k := range to.Buckets {
		if had[k.ID] == k {
			delete(had, k.ID)
		} else {
			come = append(come, k)
		}
	}
	if len(to.Buckets) <= small || 2*(len(had)+len(come)) > len(to.Buckets) {
		return []of.Mod{of.PutGroup(to)}
	}
	var mods []of.Mod
	for _, id := range slices.Sorted(maps.Keys(had)) {
		mods = append(mods, of.RemoveBucket(to.ID, id))
	}
	if len(come) > 0 {
		mods = append(mods, of.InsertBucket(to.ID, of.BucketLast, come...))
	}
	return mods
}

// written records that all changes are in the switch.
func (b *groupBook) written() {
	for id := range b.dirty {
		if g, wanted := b.wanted[id]; wanted {
			b.installed[id] = g.GroupEntry
		} else {
			delete(b.installed, id)
		}
	}
	b.dirty = emptied(b.dirty)
}

// compare replaces what is known of the switch by a dump of it and returns how
// many groups were not as recorded.
func (b *groupBook) compare(dump []of.GroupEntry) (wrong int) {
	found := make(map[uint32]of.GroupEntry, len(dump))
	for _, g := range dump {
		sortBuckets(g.Buckets)
		found[g.ID] = g
		if was, known := b.installed[g.ID]; !known || !was.Equal(g) {
			wrong++
			b.dirty[g.ID] = struct{}{}
		}
	}
	for id := range b.installed {
		if _, there := found[id]; !there {
			wrong++
			b.dirty[id] = struct{}{}
		}
	}
	b.installed = found
	return wrong
}

func sortBuckets(buckets []of.Bucket) {
	slices.SortFunc(buckets, func(a, b of.Bucket) int { return cmp.Compare(a.ID, b.ID) })
}
