package hostnet

import (
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The node's packets to a Pod leave with the source address that the kernel picks from the veth. The gateway has no
// address that it would pick, so a moved route must name that address, or the Pod would see the node under another one.

// picked returns the source address with which the node reaches dst now, if it does so through the link. It is invalid if
// the node does not, or if the address is a link-local one, which has no meaning on another link.
func (h *Host) picked(dst netip.Addr, link int) netip.Addr {
	routes, err := h.nl.RouteGet(dst.AsSlice())
	if err != nil || len(routes) == 0 || routes[0].LinkIndex != link { // no route to dst is an answer, not a fault
		return netip.Addr{}
	}
	if src := addrOf(routes[0].Src); !src.IsLinkLocalUnicast() {
		return src
	}
	return netip.Addr{}
}

// lasting returns the address that the kernel will pick once all addresses of the link may be used. Right after a CNI plugin
// has given an IPv6 address to the veth, the kernel is still looking for duplicates of it and picks some other address.
// The choice is that of RFC 6724, section 5, as far as one link goes: an address of the outgoing interface before others,
// then the longest common prefix. Without an address that is being checked, the current choice is the lasting one.
func (h *Host) lasting(dst, current netip.Addr, link int) (netip.Addr, error) {
	if dst.Is4() {
		return current, nil
	}
	l, err := h.nl.LinkByIndex(link)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look for the link with index %d: %w", link, err)
	}
	list, err := complete(func() ([]netlink.Addr, error) { return h.nl.AddrList(l, netlink.FAMILY_V6) })
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read the addresses of %s: %w", l.Attrs().Name, err)
	}
	best, length := current, -1
	for _, a := range list {
		addr := addrOf(a.IP)
		checking := a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&unix.IFA_F_DADFAILED == 0
		if addr.IsLinkLocalUnicast() || !checking && addr != current {
			continue
		}
		if n := commonPrefix(addr, dst); n > length {
			best, length = addr, n
		}
	}
	return best, nil
}

func commonPrefix(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return i*8 + bits.LeadingZeros8(d)
		}
	}
	return 128
}

// isLocal says whether a packet may leave the node with this source address now.
func (h *Host) isLocal(a netip.Addr) bool {
	list, err := complete(func() ([]netlink.Addr, error) { return h.nl.AddrList(nil, family(a)) })
	if err != nil {
		return false
	}
	for _, have := range list {
		if addrOf(have.IP) == a && have.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
			return true
		}
	}
	return false
}

// IsLocal says whether the address is one of the node's own.
func (h *Host) IsLocal(a netip.Addr) (bool, error) {
	routes, err := h.nl.RouteGet(a.AsSlice())
	if err != nil {
		return false, fmt.Errorf("look for the route to %s: %w", a, err)
	}
	return len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL, nil
}
