package compare

import (
	"net/netip"

	"github.com/sluice-net/sluice/host/inventory"
)

// outside returns, for each block in each family, one address that is nobody's
// and the prefix that it was found in. Blocks is the table for longest-prefix
// match, ordered by prefix: an outer prefix comes right before what lies in it.
func outside(blocks []inventory.BlockChange, free func(netip.Addr) bool) []member {
	s := search{free: free, found: map[found]bool{}}
	for _, root := range []string{"0.0.0.0/0", "::/0"} {
		prefix := netip.MustParsePrefix(root)
		s.open(prefix, 0)
		for _, b := range blocks {
			if b.Prefix.Addr().Is4() == prefix.Addr().Is4() {
				s.enter(b)
			}
		}
		for len(s.path) > 0 {
			s.close()
		}
	}
	return s.members
}

type found struct {
	four  bool
	block inventory.BlockID
}

// search walks the prefixes and looks for addresses in the gaps between them.
type search struct {
	free    func(netip.Addr) bool
	found   map[found]bool
	members []member
	path    []place // from the root to where the walk is
}

// place is a prefix and the first of its addresses that the walk has not passed;
// invalid when all are passed.
type place struct {
	prefix netip.Prefix
	block  inventory.BlockID
	next   netip.Addr
}

func (s *search) open(p netip.Prefix, block inventory.BlockID) {
	s.path = append(s.path, place{p, block, p.Addr()})
}

func (s *search) enter(b inventory.BlockChange) {
	for !s.path[len(s.path)-1].prefix.Overlaps(b.Prefix) {
		s.close()
	}
	if around := &s.path[len(s.path)-1]; around.prefix == b.Prefix { // the whole family is named
		around.block = b.Block
		return
	}
	s.gap(b.Prefix.Addr().Prev())
	s.open(b.Prefix, b.Block)
}

// close passes the end of the innermost prefix.
func (s *search) close() {
	inner := s.path[len(s.path)-1]
	last := lastOf(inner.prefix)
	s.gap(last)
	s.path = s.path[:len(s.path)-1]
	if len(s.path) > 0 {
		s.path[len(s.path)-1].next = last.Next()
	}
}

// gap looks at the addresses of the innermost prefix up to last.
func (s *search) gap(last netip.Addr) {
	at := s.path[len(s.path)-1]
	key := found{at.prefix.Addr().Is4(), at.block}
	if s.found[key] || !at.next.IsValid() || !last.IsValid() {
		return
	}
	for a := at.next; a.IsValid() && a.Compare(last) <= 0; a = a.Next() {
		if s.free(a) {
			s.found[key] = true
			s.members = append(s.members, member{name: at.prefix.String(), addrs: []netip.Addr{a}})
			return
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
