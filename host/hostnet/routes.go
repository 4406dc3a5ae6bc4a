package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Move says between which links a Pod's routes go.
type Move struct {
	Veth, Gateway int // link indexes
	MTU           int // of the Pod's end, bytes: the gateway's may be larger, so each moved route says it
}

// SavedRoutes lists the routes, of all tables and both families, that lead through the Pod's veth and that must lead
// through the gateway instead. Routes that the kernel itself made for addresses of the veth stay with the addresses.
// For a Pod address that has no route of its own, the list has one with Added set.
func (h *Host) SavedRoutes(v *Veth, addresses []netip.Addr) ([]Route, error) {
	routes, err := h.through(v.Index)
	if err != nil {
		return nil, err
	}
	var saved []Route
	for _, r := range routes {
		if stays(r) {
			continue
		}
		saved = append(saved, r)
	}
	for _, a := range addresses {
		own := netip.PrefixFrom(a, a.BitLen())
		if !slices.ContainsFunc(saved, func(r Route) bool { return r.Destination == own && r.Table == unix.RT_TABLE_MAIN }) {
			saved = append(saved, Route{
				Destination: own, Table: unix.RT_TABLE_MAIN, Scope: linkScope(a), Type: unix.RTN_UNICAST, Protocol: unix.RTPROT_BOOT, Added: true,
			})
		}
	}
	for i, r := range saved {
		if r.Source.IsValid() {
			continue
		}
		current := h.picked(r.Destination.Addr(), v.Index)
		if saved[i].Picked, err = h.lasting(r.Destination.Addr(), current, v.Index); err != nil {
			return nil, err
		}
	}
	return saved, nil
}

func linkScope(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.RT_SCOPE_LINK
	}
	return unix.RT_SCOPE_UNIVERSE // IPv6 has no scopes of routes
}

// stays says that a route belongs to an address or the link itself and not to the Pod.
func stays(r Route) bool {
	dst := r.Destination.Addr()
	return r.Table == unix.RT_TABLE_LOCAL || r.Type != unix.RTN_UNICAST || r.Protocol == unix.RTPROT_KERNEL ||
		dst.IsMulticast() || dst.IsLinkLocalUnicast() && dst.Is6()
}

// through lists the routes of all tables whose output device is the link.
func (h *Host) through(link int) ([]Route, error) {
	var result []Route
	for _, fam := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := complete(func() ([]netlink.Route, error) {
			return h.nl.RouteListFiltered(fam, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range list {
			if r.LinkIndex != link && !slices.ContainsFunc(r.MultiPath, func(n *netlink.NexthopInfo) bool { return n.LinkIndex == link }) {
				continue
			}
			r.Family = fam
			converted, err := routeOf(r)
			if err != nil {
				return nil, err
			}
			result = append(result, converted)
		}
	}
	return result, nil
}

// moved is how a saved route looks on the gateway. The boolean says that its source address cannot be used yet, so that the
// route has to do without for now.
func (h *Host) moved(r Route, m Move) (Route, bool) {
	waiting := false
	if !r.Source.IsValid() && r.Picked.IsValid() {
		if h.isLocal(r.Picked) {
			r.Source = r.Picked
		} else {
			waiting = true
		}
	}
	if r.MTU == 0 || r.MTU > m.MTU {
		r.MTU = m.MTU
	}
	if r.Destination.Addr().Is6() {
		// When it forwards, Linux looks at the MTU of an IPv6 route in time, before
		// the hop limit is counted down, only if it is locked.
		r.MTULock = true
	}
	if r.Gateway.IsValid() { // no address of the gateway makes the next hop reachable
		r.Flags |= int(netlink.FLAG_ONLINK)
	}
	if r.Destination.Addr().Is6() && r.Priority == 0 {
		r.Priority = ipv6Metric
	}
	r.Added, r.Picked = false, netip.Addr{}
	return r, waiting
}

// ipv6Metric is the metric that the kernel gives to an IPv6 route for which 0 was asked (IP6_RT_PRIO_USER).
const ipv6Metric = 1024

// AstrayRoutes lists the saved routes that do not lead through the gateway as they must.
//
// waiting says that a source address is still being checked for duplicates by the kernel, which takes about a second: ask
// again after that. Until then the kernel picks a source address like it would have picked without Sluice.
func (h *Host) AstrayRoutes(saved []Route, m Move) (astray []Route, waiting bool, err error) {
	have, err := h.through(m.Gateway)
	if err != nil {
		return nil, false, err
	}
	for _, r := range saved {
		want, wait := h.moved(r, m)
		waiting = waiting || wait
		if !slices.ContainsFunc(have, want.same) {
			astray = append(astray, r)
		}
	}
	return astray, waiting, nil
}

// MoveRoutes makes the saved routes lead through the gateway and returns how many did not before. Routes that are right are
// left alone, so it is also how they are repaired. Each is replaced in one step, never deleted first.
// waiting is as in AstrayRoutes.
func (h *Host) MoveRoutes(saved []Route, m Move) (changed int, waiting bool, err error) {
	astray, waiting, err := h.AstrayRoutes(saved, m)
	if err != nil {
		return 0, waiting, err
	}
	for _, r := range astray {
		want, _ := h.moved(r, m)
		changed++
		if err := h.nl.RouteReplace(want.on(m.Gateway)); err != nil {
			return changed, waiting, fmt.Errorf("move route %s from link %d to gateway link %d: %w", r, m.Veth, m.Gateway, err)
		}
		if err := h.remove(r, m.Veth); err != nil {
			return changed, waiting, fmt.Errorf("remove route %s from link %d after moving it: %w", r, m.Veth, err)
		}
	}
	return changed, waiting, nil
}

// RestoreRoutes puts the saved routes back on the veth, and removes those that Sluice added. If the veth is gone (Veth is
// 0), they are removed from the gateway. It does all that it can and joins the errors.
func (h *Host) RestoreRoutes(saved []Route, m Move) error {
	var errs []error
	for _, r := range saved {
		if m.Veth == 0 || r.Added {
			if err := h.remove(r, m.Gateway); err != nil {
				errs = append(errs, fmt.Errorf("remove route %s from the gateway: %w", r, err))
			}
			continue
		}
		if err := h.nl.RouteReplace(r.on(m.Veth)); err != nil {
			errs = append(errs, fmt.Errorf("put route %s back on link %d: %w", r, m.Veth, err))
			continue
		}
		if err := h.remove(r, m.Gateway); err != nil {
			errs = append(errs, fmt.Errorf("remove route %s from the gateway: %w", r, err))
		}
	}
	return errors.Join(errs...)
}

// remove deletes the route through one link, and through no other. That it is not there is no error.
func (h *Host) remove(r Route, link int) error {
	if link == 0 {
		return nil
	}
	err := h.nl.RouteDel(&netlink.Route{
		LinkIndex: link, Dst: ipNet(r.Destination), Table: r.Table, Priority: r.Priority, Tos: r.TOS, Scope: netlink.Scope(r.Scope),
		Type: r.Type, Family: family(r.Destination.Addr()),
	})
	if gone(err) {
		return nil
	}
	return err
}
