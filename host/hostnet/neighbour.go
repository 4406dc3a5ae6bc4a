package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AstrayNeighbours lists the Pod addresses that the node does not know on the gateway under the Pod's MAC address for good.
func (h *Host) AstrayNeighbours(gateway int, addresses []netip.Addr, mac net.HardwareAddr) ([]netip.Addr, error) {
	list, err := complete(func() ([]netlink.Neigh, error) { return h.nl.NeighList(gateway, 0) })
	if err != nil {
		return nil, fmt.Errorf("list the neighbours of link %d: %w", gateway, err)
	}
	right := make(map[netip.Addr]bool, len(list))
	for _, n := range list {
		right[addrOf(n.IP)] = n.State&netlink.NUD_PERMANENT != 0 && bytes.Equal(n.HardwareAddr, mac)
	}
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return right[a] }), nil
}

// SetNeighbours makes the node know each Pod address on the gateway under the Pod's MAC address, so that it never has to
// ask. It returns how many entries were not right before.
func (h *Host) SetNeighbours(gateway int, addresses []netip.Addr, mac net.HardwareAddr) (changed int, err error) {
	astray, err := h.AstrayNeighbours(gateway, addresses, mac)
	if err != nil {
		return 0, err
	}
	for _, a := range astray {
		changed++
		err := h.nl.NeighSet(&netlink.Neigh{
			LinkIndex: gateway, Family: family(a), State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: mac,
		})
		if err != nil {
			return changed, fmt.Errorf("make %s at %s a neighbour of link %d: %w", a, mac, gateway, err)
		}
	}
	return changed, nil
}

// Introduce makes the node know Pod addresses on a link as if it had asked for them a while ago (NUD_STALE, RFC 4861,
// 7.3.2): packets go out at once, and the kernel confirms the entry by itself seconds later. An entry that can be used is
// left alone, unless the kernel is about to confirm it: the answer might go astray, and the entry would fail.
func (h *Host) Introduce(link int, addresses []netip.Addr, mac net.HardwareAddr) error {
	list, err := complete(func() ([]netlink.Neigh, error) { return h.nl.NeighList(link, 0) })
	if err != nil {
		return fmt.Errorf("list the neighbours of link %d: %w", link, err)
	}
	const usable = netlink.NUD_PERMANENT | netlink.NUD_NOARP | netlink.NUD_REACHABLE | netlink.NUD_STALE
	known := make(map[netip.Addr]bool, len(list))
	for _, n := range list {
		known[addrOf(n.IP)] = n.State&usable != 0 && bytes.Equal(n.HardwareAddr, mac)
	}
	for _, a := range addresses {
		if known[a] {
			continue
		}
		err := h.nl.NeighSet(&netlink.Neigh{LinkIndex: link, Family: family(a), State: netlink.NUD_STALE, IP: a.AsSlice(), HardwareAddr: mac})
		if err != nil {
			return fmt.Errorf("make %s at %s a neighbour of link %d for now: %w", a, mac, link, err)
		}
	}
	return nil
}

// DelNeighbours forgets Pod addresses. Entries that are not there are no error.
func (h *Host) DelNeighbours(gateway int, addresses []netip.Addr) error {
	var errs []error
	for _, a := range addresses {
		err := h.nl.NeighDel(&netlink.Neigh{LinkIndex: gateway, Family: family(a), IP: a.AsSlice()})
		if err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("forget neighbour %s of link %d: %w", a, gateway, err))
		}
	}
	return errors.Join(errs...)
}

// SetProxies makes the gateway answer neighbour solicitations for exactly these IPv6 addresses: the gateway addresses that
// Pods use, which stay on their veths (RFC 4861, 7.2.8; ip-neighbour(8), "proxy"). It returns how many entries changed.
// Remove names what else may be taken away: entries that are not in want and not in remove are somebody else's and stay.
func (h *Host) SetProxies(gateway int, want, remove []netip.Addr) (changed int, err error) {
	list, err := complete(func() ([]netlink.Neigh, error) { return h.nl.NeighProxyList(gateway, netlink.FAMILY_V6) })
	if err != nil {
		return 0, fmt.Errorf("list the proxies of link %d: %w", gateway, err)
	}
	have := make(map[netip.Addr]bool, len(list))
	for _, n := range list {
		if n.LinkIndex == gateway {
			have[addrOf(n.IP)] = true
		}
	}
	proxy := func(a netip.Addr) *netlink.Neigh {
		return &netlink.Neigh{LinkIndex: gateway, Family: unix.AF_INET6, Flags: netlink.NTF_PROXY, IP: a.AsSlice()}
	}
	wanted := make(map[netip.Addr]bool, len(want))
	for _, a := range want {
		if wanted[a] || !a.Is6() {
			continue
		}
		wanted[a] = true
		if have[a] {
			continue
		}
		changed++
		if err := h.nl.NeighSet(proxy(a)); err != nil {
			return changed, fmt.Errorf("answer for %s on link %d: %w", a, gateway, err)
		}
	}
	for _, a := range remove {
		if wanted[a] || !have[a] {
			continue
		}
		have[a] = false
		changed++
		if err := h.nl.NeighDel(proxy(a)); err != nil && !gone(err) {
			return changed, fmt.Errorf("no longer answer for %s on link %d: %w", a, gateway, err)
		}
	}
	return changed, nil
}
