package hostnet

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// Look is what led through the gateway when somebody looked. The kernel lists all routes or none, so one look for all
// Pods of a node costs what one for each of them does.
type Look struct {
	routes     map[netip.Prefix][]Route
	neighbours map[netip.Addr]net.HardwareAddr // permanent ones
	dropped    map[string]bool                 // veths; nil: nobody asked
}

// LookAt looks at a gateway, and with drops at the veths that Drop was called for.
func (h *Host) LookAt(gateway int, drops bool) (*Look, error) {
	routes, err := h.through(gateway)
	if err != nil {
		return nil, err
	}
	neighbours, err := complete(func() ([]netlink.Neigh, error) { return h.nl.NeighList(gateway, 0) })
	if err != nil {
		return nil, fmt.Errorf("list the neighbours of link %d: %w", gateway, err)
	}
	l := &Look{routes: make(map[netip.Prefix][]Route, len(routes)), neighbours: make(map[netip.Addr]net.HardwareAddr, len(neighbours))}
	for _, r := range routes {
		l.routes[r.Destination] = append(l.routes[r.Destination], r)
	}
	for _, n := range neighbours {
		if n.State&netlink.NUD_PERMANENT != 0 {
			l.neighbours[addrOf(n.IP)] = n.HardwareAddr
		}
	}
	if drops {
		h.drops.mu.Lock()
		defer h.drops.mu.Unlock()
		c, err := h.nft()
		if err != nil {
			return nil, err
		}
		if l.dropped, err = dropping(c); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Drops says that the kernel dropped what the veth brings.
func (l *Look) Drops(veth string) bool { return l.dropped[veth] }

// InPlace says that all of a Pod was as MoveRoutes and SetNeighbours make it. A route that waits for its source address is not.
func (h *Host) InPlace(l *Look, saved []Route, m Move, addresses []netip.Addr, mac net.HardwareAddr) bool {
	for _, r := range saved {
		want, waiting := h.moved(r, m)
		if waiting || !slices.ContainsFunc(l.routes[want.Destination], want.same) {
			return false
		}
	}
	return !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !bytes.Equal(l.neighbours[a], mac) })
}
