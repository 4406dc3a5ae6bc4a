package inventory

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// set is an acquired set.
type set struct {
	key     SetKey
	ordinal uint32 // order of acquisition; never used twice
	spec    abi.SetSpec
	note    *setNote // what changed since the last Flush; nil: nothing

	// Pods:
	names         []*namespace
	spaceSelector *spaceSelector // nil: none
	podTests      []podTest
	places        []*bucket // where classes find it
	release       []func()  // gives back what the places keep
	classes       map[ClassID]struct{}
	classList     []ClassID // sorted copy of classes; nil: make it

	// Nodes:
	nodeTests []test

	// Addresses and Nodes:
	blocks map[BlockID]struct{}
}

type spaceSelector struct{ tests []test }

// bucket is sets that are found in one place.
type bucket struct{ sets []*set }

func (b *bucket) remove(s *set) {
	if i := slices.Index(b.sets, s); i >= 0 {
		b.sets[i] = b.sets[len(b.sets)-1]
		b.sets[len(b.sets)-1] = nil
		b.sets = b.sets[:len(b.sets)-1]
	}
}

// AcquireSet makes the classes and blocks of the set known. The spec is kept
// and must not be changed. A set that is acquired already becomes what the
// spec says (UpdateSet); acquisitions are not counted.
//
// An error says what is wrong with the spec; nothing changed then.
func (inv *Inventory) AcquireSet(key SetKey, spec abi.SetSpec) error {
	if inv.sets[key] != nil {
		return inv.UpdateSet(key, spec)
	}
	s := &set{key: key, spec: spec}
	var blocks []block
	var err error
	switch spec := spec.(type) {
	case *abi.Pods:
		err = inv.preparePods(s, spec)
	case *abi.Nodes:
		s.nodeTests, err = parseSelector(spec.Selector)
	case *abi.Addresses:
		blocks, err = parseBlocks(spec.Blocks)
	default:
		err = fmt.Errorf("a set is Pods, Nodes or Addresses, not %T", spec)
	}
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	inv.published = nil
	if inv.unsettled[key] {
		// Its blocks still stand in the table under the same numbers.
		inv.settleBlocks()
	}
	inv.setOrdinal++
	s.ordinal = inv.setOrdinal
	inv.sets[key] = s
	inv.journal.acquired(s)
	switch spec.(type) {
	case *abi.Pods:
		s.classes = make(map[ClassID]struct{})
		for i := range s.podTests {
			inv.mention(s.podTests[i].record)
		}
		for _, ns := range s.names {
			ns.named++
		}
		inv.place(s)
		inv.unscanned[s] = struct{}{}
	case *abi.Nodes:
		s.blocks = make(map[BlockID]struct{})
		inv.nodeSets[s] = struct{}{}
		for _, n := range inv.nodes.All() {
			if n.satisfies(s.nodeTests) {
				inv.blocks.markAddrs(s, n.addrs, +1)
			}
		}
	case *abi.Addresses:
		s.blocks = make(map[BlockID]struct{})
		inv.blocks.mark(s, blocks, +1)
	}
	return nil
}

// ReleaseSet forgets the set. Keys that no other set mentions no longer tell
// classes apart. Releasing what is not acquired does nothing.
func (inv *Inventory) ReleaseSet(key SetKey) {
	s := inv.sets[key]
	if s == nil {
		return
	}
	inv.published = nil
	delete(inv.sets, key)
	switch spec := s.spec.(type) {
	case *abi.Pods:
		for id := range s.classes {
			c := inv.classes[id]
			s.remove(c, &inv.journal)
			c.drop(s)
		}
		inv.unplace(s)
		delete(inv.unscanned, s)
		for i := range s.podTests {
			for _, l := range s.podTests[i].wanted {
				inv.forget(l)
			}
			inv.unmention(s.podTests[i].record)
		}
		for _, ns := range s.names {
			ns.named--
			inv.forgetNamespace(ns)
		}
	case *abi.Nodes:
		inv.unsettled[key] = true
		delete(inv.nodeSets, s)
		for _, n := range inv.nodes.All() {
			if n.satisfies(s.nodeTests) {
				inv.blocks.markAddrs(s, n.addrs, -1)
			}
		}
	case *abi.Addresses:
		inv.unsettled[key] = true
		blocks, _ := parseBlocks(spec.Blocks) // it was parsed before
		inv.blocks.mark(s, blocks, -1)
	}
	inv.journal.released(s)
}

// UpdateSet makes an acquired set what the spec says. The spec is kept and
// must not be changed. Between two specs of addresses the work is one cheap
// comparison per block plus what really differs (and the prefixes nested in
// it), if the blocks that stay are in the same order.
func (inv *Inventory) UpdateSet(key SetKey, spec abi.SetSpec) error {
	s := inv.sets[key]
	if s == nil {
		return inv.AcquireSet(key, spec)
	}
	old, wasAddresses := s.spec.(*abi.Addresses)
	next, isAddresses := spec.(*abi.Addresses)
	if wasAddresses && isAddresses {
		gone, come := differ(old.Blocks, next.Blocks)
		put, err := parseBlocks(come)
		if err != nil {
			return fmt.Errorf("set %s: %w", key, err)
		}
		s.spec = spec
		if len(gone) == 0 && len(put) == 0 {
			return nil
		}
		inv.published = nil
		removed, _ := parseBlocks(gone) // it was parsed before
		inv.blocks.mark(s, put, +1)
		inv.blocks.mark(s, removed, -1)
		return nil
	}
	if sameSpec(s.spec, spec) {
		s.spec = spec
		return nil
	}
	if err := checkSpec(spec); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	inv.ReleaseSet(key)
	return inv.AcquireSet(key, spec)
}

func checkSpec(spec abi.SetSpec) error {
	var err error
	switch spec := spec.(type) {
	case *abi.Pods:
		if _, err = parseSelector(spec.PodSelector); err == nil && spec.NamespaceSelector != nil {
			_, err = parseSelector(*spec.NamespaceSelector)
		}
	case *abi.Nodes:
		_, err = parseSelector(spec.Selector)
	case *abi.Addresses:
		_, err = parseBlocks(spec.Blocks)
	default:
		err = fmt.Errorf("a set is Pods, Nodes or Addresses, not %T", spec)
	}
	return err
}

// SetClasses returns the classes that are in the set, ascending. The slice is
// the inventory's: read it before the next change, do not write it.
func (inv *Inventory) SetClasses(key SetKey) []ClassID {
	inv.settle()
	s := inv.sets[key]
	if s == nil || len(s.classes) == 0 {
		return nil
	}
	if s.classList == nil {
		s.classList = slices.Sorted(maps.Keys(s.classes))
	}
	return s.classList
}

// SetBlocks returns the blocks that are in the set, ascending.
func (inv *Inventory) SetBlocks(key SetKey) []BlockID {
	inv.settle()
	s := inv.sets[key]
	if s == nil || len(s.blocks) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(s.blocks))
}
