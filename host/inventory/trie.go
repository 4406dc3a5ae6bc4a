package inventory

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// trieNode is one prefix of a path-compressed binary trie. The addresses of
// IPv4 and of IPv6 are in tries of their own, so that 0.0.0.0/0 never reaches
// an IPv6 address.
type trieNode struct {
	hi, lo   uint64 // the prefix, left-aligned; bits after its length are 0
	kids     [2]*trieNode
	marks    []mark // which sets name this prefix; empty: the node only joins others
	block    *addressBlock
	reported BlockID // what the last Flush said
	length   uint8
	state    nodeState
}

type nodeState uint8

const (
	moved        nodeState = 1 << iota // marks changed: this node and all below must be numbered anew
	movedBelow                         // some node below is moved
	changed                            // block may not be what was reported
	changedBelow                       // some node below is changed
)

// mark counts how often blocks of a set begin at a prefix, and how often an
// except of theirs does.
type mark struct {
	set     *set
	begins  int32
	excepts int32
}

// place splits a prefix into its bits.
func place(p netip.Prefix) (hi, lo uint64, length uint8) {
	if p.Addr().Is4() {
		four := p.Addr().As4()
		return uint64(binary.BigEndian.Uint32(four[:])) << 32, 0, uint8(p.Bits())
	}
	sixteen := p.Addr().As16()
	return binary.BigEndian.Uint64(sixteen[:8]), binary.BigEndian.Uint64(sixteen[8:]), uint8(p.Bits())
}

func (n *trieNode) prefix(four bool) netip.Prefix {
	if four {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n.hi>>32))
		return netip.PrefixFrom(netip.AddrFrom4(b), int(n.length))
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	return netip.PrefixFrom(netip.AddrFrom16(b), int(n.length))
}

// bit returns the bit after the first `at` ones.
func bit(hi, lo uint64, at uint8) int {
	if at < 64 {
		return int(hi >> (63 - at) & 1)
	}
	return int(lo >> (127 - at) & 1)
}

// common is how many leading bits are equal, at most limit.
func common(hi1, lo1, hi2, lo2 uint64, limit uint8) uint8 {
	n := bits.LeadingZeros64(hi1 ^ hi2)
	if n == 64 {
		n += bits.LeadingZeros64(lo1 ^ lo2)
	}
	return min(uint8(n), limit)
}

func cut(hi, lo uint64, length uint8) (uint64, uint64) {
	switch {
	case length == 0:
		return 0, 0
	case length <= 64:
		return hi &^ (1<<(64-length) - 1), 0
	}
	return hi, lo &^ (1<<(128-length) - 1)
}

// find returns the node of a prefix, made if need be, and sets below on every
// node above it.
func find(root **trieNode, hi, lo uint64, length uint8, below nodeState) *trieNode {
	at := root
	for {
		n := *at
		if n == nil {
			n = &trieNode{hi: hi, lo: lo, length: length}
			*at = n
			return n
		}
		same := common(hi, lo, n.hi, n.lo, min(length, n.length))
		switch {
		case same == n.length && same == length:
			return n
		case same == n.length:
			n.state |= below
			at = &n.kids[bit(hi, lo, n.length)]
		default:
			// n lies below the wanted prefix, or beside it.
			joinHi, joinLo := cut(hi, lo, same)
			join := &trieNode{hi: joinHi, lo: joinLo, length: same}
			join.kids[bit(n.hi, n.lo, same)] = n
			*at = join // the next turn passes it, or stops there, and sets its state
		}
	}
}
