package hostnet

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route is a route of the node as it was before Sluice moved it. It survives as JSON in the Open vSwitch database.
// The numbers are those of rtnetlink(7).
type Route struct {
	Destination netip.Prefix `json:"dst"`
	Table       int          `json:"table"`
	Gateway     netip.Addr   `json:"via,omitzero"`
	Source      netip.Addr   `json:"src,omitzero"` // the preferred source that the route names
	Scope       uint8        `json:"scope,omitempty"`
	Type        int          `json:"type,omitempty"`
	Protocol    int          `json:"proto,omitempty"`
	Priority    int          `json:"metric,omitempty"`
	TOS         int          `json:"tos,omitempty"`
	Flags       int          `json:"flags,omitempty"`
	Realm       int          `json:"realm,omitempty"`

	MTU      int    `json:"mtu,omitempty"`
	MTULock  bool   `json:"mtuLock,omitempty"`
	AdvMSS   int    `json:"advmss,omitempty"`
	Window   int    `json:"window,omitempty"`
	HopLimit int    `json:"hoplimit,omitempty"`
	InitCwnd int    `json:"initcwnd,omitempty"`
	InitRwnd int    `json:"initrwnd,omitempty"`
	QuickACK int    `json:"quickack,omitempty"`
	RTOMin   int    `json:"rtoMin,omitempty"`
	Features int    `json:"features,omitempty"`
	Congctl  string `json:"congctl,omitempty"`

	// Picked is the source address that the kernel chose for this route when it still led to the veth.
	Picked netip.Addr `json:"picked,omitzero"`
	// Added says that there was no such route: restoring removes it.
	Added bool `json:"added,omitempty"`
}

// lastingFlags are the flags that a person sets; the others describe the state of the link.
const lastingFlags = int(netlink.FLAG_ONLINK)

func routeOf(r netlink.Route) (Route, error) {
	if len(r.MultiPath) > 0 || r.Encap != nil || r.Via != nil || r.NewDst != nil || r.MPLSDst != nil || r.ILinkIndex != 0 {
		return Route{}, fmt.Errorf("route %v uses several next hops, an encapsulation or an input device, which Sluice cannot move", r)
	}
	dst, err := prefixOf(r.Dst, r.Family)
	if err != nil {
		return Route{}, fmt.Errorf("route %v: %w", r, err)
	}
	return Route{
		Destination: dst, Table: r.Table, Gateway: addrOf(r.Gw), Source: addrOf(r.Src), Scope: uint8(r.Scope),
		Type: r.Type, Protocol: int(r.Protocol), Priority: r.Priority, TOS: r.Tos, Flags: r.Flags & lastingFlags, Realm: r.Realm,
		MTU: r.MTU, MTULock: r.MTULock, AdvMSS: r.AdvMSS, Window: r.Window, HopLimit: r.Hoplimit, InitCwnd: r.InitCwnd,
		InitRwnd: r.InitRwnd, QuickACK: r.QuickACK, RTOMin: r.RtoMin, Features: r.Features, Congctl: r.Congctl,
	}, nil
}

// on is the route as it is, through the link with this index.
func (r Route) on(link int) *netlink.Route {
	return &netlink.Route{
		LinkIndex: link, Dst: ipNet(r.Destination), Table: r.Table, Gw: ip(r.Gateway), Src: ip(r.Source), Scope: netlink.Scope(r.Scope),
		Type: r.Type, Protocol: netlink.RouteProtocol(r.Protocol), Priority: r.Priority, Tos: r.TOS, Flags: r.Flags, Realm: r.Realm,
		MTU: r.MTU, MTULock: r.MTULock, AdvMSS: r.AdvMSS, Window: r.Window, Hoplimit: r.HopLimit, InitCwnd: r.InitCwnd,
		InitRwnd: r.InitRwnd, QuickACK: r.QuickACK, RtoMin: r.RTOMin, Features: r.Features, Congctl: r.Congctl,
		Family: family(r.Destination.Addr()),
	}
}

// same says whether the route is in force through the link. The kernel fills in what was left open.
func (r Route) same(have Route) bool {
	return have.Destination == r.Destination && have.Table == r.Table && have.Gateway == r.Gateway && have.Source == r.Source &&
		have.Scope == r.Scope && have.Priority == r.Priority && have.TOS == r.TOS && have.MTU == r.MTU && have.MTULock == r.MTULock
}

// String reads like ip-route(8).
func (r Route) String() string {
	s := r.Destination.String()
	if r.Gateway.IsValid() {
		s += " via " + r.Gateway.String()
	}
	if r.Source.IsValid() {
		s += " src " + r.Source.String()
	}
	return fmt.Sprintf("%s table %d metric %d", s, r.Table, r.Priority)
}

func prefixOf(n *net.IPNet, fam int) (netip.Prefix, error) {
	if n == nil { // the default route
		if fam == netlink.FAMILY_V6 {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	ones, bits := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}, fmt.Errorf("destination %v is no prefix", n)
	}
	if bits == 32 {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(addr, ones), nil
}

func addrOf(i net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(i)
	if !ok {
		return netip.Addr{}
	}
	return a.Unmap()
}

func ip(a netip.Addr) net.IP {
	if !a.IsValid() {
		return nil
	}
	return a.AsSlice()
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
