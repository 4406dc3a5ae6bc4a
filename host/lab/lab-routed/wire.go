package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wiring is one Pod to be wired.
type wiring struct {
	layout
	veth, ifName, netns string
	mtu, table          int
	addresses           []*current.IPConfig
}

// wire makes the veth and all that belongs to it, and describes it in the result. It runs in the node's namespace.
func wire(w wiring, result *current.Result) error {
	node, err := ns.GetCurrentNS()
	if err != nil {
		return err
	}
	defer node.Close()
	if err := w.makeVeth(node); err != nil {
		return fmt.Errorf("make veth %s: %w", w.veth, err)
	}
	outside, err := netlink.LinkByName(w.veth)
	if err != nil {
		return err
	}
	var mac net.HardwareAddr
	err = ns.WithNetNSPath(w.netns, func(ns.NetNS) (err error) {
		mac, err = w.inPod(outside.Attrs().HardwareAddr)
		return err
	})
	if err == nil {
		err = w.onNode(outside)
	}
	if err != nil {
		return errors.Join(err, netlink.LinkDel(outside))
	}
	result.Interfaces = []*current.Interface{
		{Name: w.veth, Mac: outside.Attrs().HardwareAddr.String()},
		{Name: w.ifName, Mac: mac.String(), Sandbox: w.netns},
	}
	if w.anonymous {
		result.Interfaces = []*current.Interface{{Name: w.ifName, Mac: mac.String()}}
	}
	for _, ip := range result.IPs {
		ip.Interface = nil
		if !w.anonymous {
			ip.Interface = current.Int(1)
			ip.Address.Mask = full(ip.Address.IP)
		}
	}
	return nil
}

// makeVeth makes both ends where they belong and sets the node's end up.
func (w wiring) makeVeth(node ns.NetNS) error {
	if old, err := netlink.LinkByName(w.veth); err == nil {
		if err := netlink.LinkDel(old); err != nil {
			return err
		}
	}
	err := ns.WithNetNSPath(w.netns, func(ns.NetNS) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = w.ifName, w.mtu
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: w.veth, PeerMTU: uint32(w.mtu), PeerHardwareAddr: w.mac, PeerNamespace: netlink.NsFd(int(node.Fd())),
		})
	})
	if err != nil {
		return err
	}
	for file, value := range w.sysctls {
		if err := os.WriteFile("/proc/sys/net/"+fmt.Sprintf(file, w.veth), []byte(value), 0); err != nil {
			return err
		}
	}
	outside, err := netlink.LinkByName(w.veth)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(outside)
}

// inPod gives the Pod its addresses, a route to a next hop that nobody has, and where that is to be found.
func (w wiring) inPod(router net.HardwareAddr) (net.HardwareAddr, error) {
	link, err := netlink.LinkByName(w.ifName)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, err
	}
	index := link.Attrs().Index
	for _, ip := range w.addresses {
		family, flags := 0, 0
		if ip.Address.IP.To4() == nil {
			family, flags = 1, unix.IFA_F_NODAD
		}
		own := &net.IPNet{IP: ip.Address.IP, Mask: full(ip.Address.IP)}
		if !w.hostBits {
			own.Mask, flags = ip.Address.Mask, flags|unix.IFA_F_NOPREFIXROUTE
		}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: own, Flags: flags}); err != nil {
			return nil, fmt.Errorf("address %s: %w", own, err)
		}
		hop := w.routers[family].AsSlice()
		for _, route := range []*netlink.Route{
			{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: hop, Mask: full(hop)}},
			{LinkIndex: index, Gw: hop, Dst: everything(family)},
		} {
			if err := netlink.RouteAdd(route); err != nil {
				return nil, fmt.Errorf("route %s: %w", route, err)
			}
		}
		if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: index, State: w.neighbour[family], IP: hop, HardwareAddr: router}); err != nil {
			return nil, fmt.Errorf("neighbour %s: %w", net.IP(hop), err)
		}
	}
	return link.Attrs().HardwareAddr, nil
}

// onNode makes the host routes, and the rules if the layout has some.
func (w wiring) onNode(veth netlink.Link) error {
	for _, ip := range w.addresses {
		own := &net.IPNet{IP: ip.Address.IP, Mask: full(ip.Address.IP)}
		route := &netlink.Route{LinkIndex: veth.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: own, Table: unix.RT_TABLE_MAIN}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("host route %s: %w", own, err)
		}
		for _, rule := range w.rules(own) {
			if err := netlink.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("rule %s: %w", rule, err)
			}
		}
	}
	return nil
}

// rules are those of one address.
func (w wiring) rules(own *net.IPNet) []*netlink.Rule {
	var list []*netlink.Rule
	if w.toRule != 0 {
		to := netlink.NewRule()
		to.Dst, to.Priority, to.Table = own, w.toRule, unix.RT_TABLE_MAIN
		list = append(list, to)
	}
	if w.table != 0 && own.IP.To4() != nil {
		from := netlink.NewRule()
		from.Src, from.Priority, from.Table = own, w.fromRule, w.table
		list = append(list, from)
	}
	return list
}

// unwire takes away the veth, and with it its routes, and the rules about addresses that lead through it.
func unwire(veth string) error {
	link, err := netlink.LinkByName(veth)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteList(link, family)
		if err != nil {
			return err
		}
		rules, err := netlink.RuleList(family)
		if err != nil {
			return err
		}
		for _, route := range routes {
			for _, rule := range rules {
				if route.Dst != nil && (sameNet(rule.Dst, route.Dst) || sameNet(rule.Src, route.Dst)) {
					rule.Family = family
					if err := netlink.RuleDel(&rule); err != nil && !errors.Is(err, unix.ENOENT) {
						return fmt.Errorf("rule %s: %w", rule, err)
					}
				}
			}
		}
	}
	return netlink.LinkDel(link)
}

// wired looks for both ends.
func wired(veth, netns, ifName string) error {
	if _, err := netlink.LinkByName(veth); err != nil {
		return types.NewError(types.ErrInternal, fmt.Sprintf("veth %s: %v", veth, err), "")
	}
	return ns.WithNetNSPath(netns, func(ns.NetNS) error {
		_, err := netlink.LinkByName(ifName)
		return err
	})
}

func sameNet(a, b *net.IPNet) bool { return a != nil && a.String() == b.String() }

func full(ip net.IP) net.IPMask {
	if ip.To4() != nil {
		return net.CIDRMask(32, 32)
	}
	return net.CIDRMask(128, 128)
}

func everything(family int) *net.IPNet {
	address := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}[family]
	return &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(0, address.BitLen())}
}
