package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// fabric is what lies between the nodes: a router with one bridge to which
// every node is wired, and the external host behind it.
type fabric struct {
	router, external *namespace
	mtu              int // of every wire, in bytes
}

// uplink is the name of the device by which a node, and the external host,
// reach the router.
const uplink = "eth0"

// build wires the router to the external host. Nodes are wired one by one.
func (f *fabric) build() error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "transit"}}
	if err := f.router.link.LinkAdd(bridge); err != nil {
		return fmt.Errorf("router: bridge: %w", err)
	}
	if err := f.router.up("transit", transitV4, transitV6); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	// Some nodes have two interfaces here, and what leaves by one comes in again
	// for the other: the router is to take that as given.
	if err := f.router.do(silent); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	if err := f.wire("outside", f.external); err != nil {
		return fmt.Errorf("wiring the external host: %w", err)
	}
	if err := f.router.up("outside", outsideV4, outsideV6); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	if err := f.external.up(uplink, externalV4, externalV6); err != nil {
		return fmt.Errorf("external host: %w", err)
	}
	return f.external.defaultRoutes(outsideV4.Addr(), outsideV6.Addr())
}

// silent keeps the kernel from sending redirects.
func silent() error {
	for _, device := range []string{"all", "default", "transit"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+device+"/send_redirects", []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}

// join wires node number i of the plan to the router, with routes in both
// directions.
func (f *fabric) join(plan *Plan, i int, node *namespace) error {
	port := fmt.Sprintf("node%d", i)
	if err := f.wire(port, node); err != nil {
		return err
	}
	if err := f.router.enslave(port, "transit"); err != nil {
		return err
	}
	own := plan.Nodes[i]
	err := node.up(uplink,
		netip.PrefixFrom(own.Addresses[0], transitV4.Bits()),
		netip.PrefixFrom(own.Addresses[1], transitV6.Bits()))
	if err != nil {
		return err
	}
	if err := node.defaultRoutes(transitV4.Addr(), transitV6.Addr()); err != nil {
		return err
	}
	if err := routesTo(f.router, plan, own); err != nil {
		return err
	}
	for _, other := range plan.Nodes {
		if other.Name != own.Name {
			if err := routesTo(node, plan, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// routesTo adds, in one namespace, the routes to the Pods of a node: one per
// subnet, and one per Pod whose address lies outside of them.
func routesTo(from *namespace, plan *Plan, node NodePlan) error {
	targets := append([]netip.Prefix(nil), node.PodSubnets...)
	for _, pod := range plan.Pods {
		if pod.Node != node.Name || pod.HostNetwork {
			continue
		}
		for _, address := range pod.Addresses {
			if !node.PodSubnets[0].Contains(address) && !node.PodSubnets[1].Contains(address) {
				targets = append(targets, netip.PrefixFrom(address, address.BitLen()))
			}
		}
	}
	for _, target := range targets {
		via := node.Addresses[0]
		if target.Addr().Is6() {
			via = node.Addresses[1]
		}
		if err := from.route(target, via); err != nil {
			return err
		}
	}
	return nil
}

// wire makes a veth pair from the router to another namespace; the other end is
// uplink.
func (f *fabric) wire(name string, to *namespace) error { return f.wireAs(name, uplink, to) }

func (f *fabric) wireAs(name, peer string, to *namespace) error {
	veth := netlink.NewVeth(netlink.NewLinkAttrs())
	veth.Name = name
	veth.PeerName = peer
	veth.MTU, veth.PeerMTU = f.mtu, uint32(f.mtu)
	veth.PeerNamespace = netlink.NsFd(int(to.handle))
	if err := f.router.link.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth %s: %w", name, err)
	}
	return nil
}

func (n *namespace) enslave(name, bridge string) error {
	port, err := n.link.LinkByName(name)
	if err != nil {
		return fmt.Errorf("device %s: %w", name, err)
	}
	master, err := n.link.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("device %s: %w", bridge, err)
	}
	if err := n.link.LinkSetMaster(port, master); err != nil {
		return fmt.Errorf("device %s: bridge %s: %w", name, bridge, err)
	}
	return n.link.LinkSetUp(port)
}

func (n *namespace) up(device string, addresses ...netip.Prefix) error {
	link, err := n.link.LinkByName(device)
	if err != nil {
		return fmt.Errorf("device %s: %w", device, err)
	}
	for _, address := range addresses {
		one := &netlink.Addr{IPNet: ipNet(address)}
		if address.Addr().Is6() {
			one.Flags = unix.IFA_F_NODAD
		}
		if err := n.link.AddrAdd(link, one); err != nil {
			return fmt.Errorf("device %s: address %s: %w", device, address, err)
		}
	}
	if err := n.link.LinkSetUp(link); err != nil {
		return fmt.Errorf("device %s: %w", device, err)
	}
	return nil
}

func (n *namespace) defaultRoutes(gateways ...netip.Addr) error {
	for _, via := range gateways {
		all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if via.Is6() {
			all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := n.route(all, via); err != nil {
			return err
		}
	}
	return nil
}

func (n *namespace) route(to netip.Prefix, via netip.Addr) error {
	if err := n.link.RouteAdd(&netlink.Route{Dst: ipNet(to), Gw: via.AsSlice()}); err != nil {
		return fmt.Errorf("route to %s via %s: %w", to, via, err)
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
