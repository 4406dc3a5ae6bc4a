package hostnet

import (
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// believed is an IPv4 address that only the gateway device has.
//
// Reverse path filtering (RFC 3704) is never loose on a device without any: whatever rp_filter says, the kernel drops what
// comes from a Pod through the gateway while the Pod's route leads elsewhere (linux, net/ipv4/fib_frontend.c,
// __fib_validate_source: no_addr). That is so for a moment when a Pod moves, and always for one whose route somebody put
// elsewhere.
//
// It is a loopback address, so that nobody takes it for one of the node's, and its scope is "nowhere", so that the kernel
// never picks it as a source.
func believed() *netlink.Addr {
	return &netlink.Addr{
		IPNet: &net.IPNet{IP: net.IPv4(127, 0, 81, 206).To4(), Mask: net.CIDRMask(32, 32)},
		Scope: unix.RT_SCOPE_NOWHERE,
	}
}

// believe gives the gateway device the address believed, and says whether it was missing. It is never taken away alone: the
// kernel removes all IPv4 routes of a device with its last address.
func (h *Host) believe(gateway netlink.Link) (given bool, err error) {
	name, want := gateway.Attrs().Name, believed()
	have, err := complete(func() ([]netlink.Addr, error) { return h.nl.AddrList(gateway, netlink.FAMILY_V4) })
	if err != nil {
		return false, fmt.Errorf("list the addresses of gateway %s: %w", name, err)
	}
	if slices.ContainsFunc(have, want.Equal) {
		return false, nil
	}
	if err := h.nl.AddrAdd(gateway, want); err != nil {
		return false, fmt.Errorf("give gateway %s the address %s, without which the kernel drops what Pods send while they move: %w", name, want.IP, err)
	}
	return true, nil
}
