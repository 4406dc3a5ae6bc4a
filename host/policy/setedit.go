package policy

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
)

// mergeAfter is how many patched blocks are kept aside before they are merged
// into the set: a set of a million blocks that comes in many patches is copied
// a few times, not once per patch.
const mergeAfter = 1 << 16

// setEdit is a set in a transaction. Patches are kept aside until somebody
// asks for the whole set.
type setEdit struct {
	set       *Set // nil: deleted
	patched   map[netip.Prefix][]abi.Block
	addresses int
}

// whole returns the set with its patches merged in.
func (e *setEdit) whole() *Set {
	if len(e.patched) > 0 {
		old := e.set.Spec.(*abi.Addresses)
		e.set = &Set{Key: e.set.Key, Spec: &abi.Addresses{Blocks: mergeBlocks(old.Blocks, e.patched)}}
		e.patched = nil
	}
	return e.set
}

func (e *setEdit) patch(add map[netip.Prefix]abi.Block, remove []netip.Prefix) {
	if e.patched == nil {
		e.patched = make(map[netip.Prefix][]abi.Block, len(add)+len(remove))
	}
	for prefix, block := range add {
		e.addresses += 1 + len(block.Except) - e.countAt(prefix)
		e.patched[prefix] = []abi.Block{block}
	}
	for _, prefix := range remove {
		e.addresses -= e.countAt(prefix)
		e.patched[prefix] = nil
	}
	if len(e.patched) >= mergeAfter {
		e.whole()
	}
}

// countAt is how many addresses the set's blocks of this CIDR count for.
func (e *setEdit) countAt(prefix netip.Prefix) int {
	blocks, patched := e.patched[prefix]
	if !patched {
		all := e.set.Spec.(*abi.Addresses).Blocks
		from, to := findBlocks(all, prefix)
		blocks = all[from:to]
	}
	n := 0
	for i := range blocks {
		n += 1 + len(blocks[i].Except)
	}
	return n
}

// findBlocks returns where the blocks of a CIDR are, or would be.
func findBlocks(blocks []abi.Block, prefix netip.Prefix) (from, to int) {
	from, found := slices.BinarySearchFunc(blocks, prefix, func(b abi.Block, p netip.Prefix) int {
		return netip.MustParsePrefix(b.CIDR).Compare(p) // canonical: it was parsed before
	})
	if !found {
		return from, from
	}
	to = from + 1
	for to < len(blocks) && blocks[to].CIDR == blocks[from].CIDR {
		to++
	}
	return from, to
}

func mergeBlocks(old []abi.Block, patched map[netip.Prefix][]abi.Block) []abi.Block {
	prefixes := make([]netip.Prefix, 0, len(patched))
	for prefix := range patched {
		prefixes = append(prefixes, prefix)
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	merged := make([]abi.Block, 0, len(old)+len(prefixes))
	for _, prefix := range prefixes {
		from, to := findBlocks(old, prefix)
		merged = append(merged, old[:from]...)
		merged = append(merged, patched[prefix]...)
		old = old[to:]
	}
	return append(merged, old...)
}

// sortBlocks brings blocks into the order of their CIDRs, and those of one
// CIDR into the order of their excepts, and drops repetitions.
func sortBlocks(blocks []abi.Block, prefixes []netip.Prefix) []abi.Block {
	order := make([]int32, len(blocks))
	for i := range order {
		order[i] = int32(i)
	}
	compare := func(a, b int32) int {
		if c := prefixes[a].Compare(prefixes[b]); c != 0 {
			return c
		}
		return slices.Compare(blocks[a].Except, blocks[b].Except)
	}
	if slices.IsSortedFunc(order, func(a, b int32) int {
		if compare(a, b) >= 0 { // a repetition counts as unsorted
			return 1
		}
		return -1
	}) {
		return blocks
	}
	slices.SortFunc(order, compare)
	sorted := make([]abi.Block, 0, len(blocks))
	for i, at := range order {
		if i > 0 && compare(order[i-1], at) == 0 {
			continue
		}
		sorted = append(sorted, blocks[at])
	}
	return sorted
}

func countAddresses(spec abi.SetSpec) int {
	addresses, is := spec.(*abi.Addresses)
	if !is {
		return 0
	}
	n := len(addresses.Blocks)
	for i := range addresses.Blocks {
		n += len(addresses.Blocks[i].Except)
	}
	return n
}

func sortedNames(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, strings.Compare)
	return slices.Clip(slices.Compact(sorted))
}
