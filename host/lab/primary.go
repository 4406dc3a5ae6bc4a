package lab

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The primary CNI plugins behind which a lab's nodes can be built, and after
// which the layouts of their nodes are called.
const (
	PrimaryPTP   = "ptp"
	PrimaryEKS   = "eks"
	PrimaryAzure = "azure-transparent"
)

// Primaries are the values of Options.Primary.
func Primaries() []string { return []string{PrimaryPTP, PrimaryEKS, PrimaryAzure} }

// labPlugin is the primary of all layouts but ptp.
const labPlugin = "lab-routed"

// primaryVersion is the cniVersion in the lists that the plugins' own projects
// ship (amazon-vpc-cni-k8s, misc/10-aws.conflist; azure-container-networking,
// cni/azure-linux.conflist).
func (o Options) primaryVersion() string {
	switch o.Primary {
	case PrimaryEKS:
		return "0.4.0"
	case PrimaryAzure:
		return "0.3.0"
	}
	return "1.1.0"
}

func (o Options) checkPrimary() error {
	switch {
	case o.Primary != "" && !slices.Contains(Primaries(), o.Primary):
		return fmt.Errorf("primary %q: choose one of %v", o.Primary, Primaries())
	case len(o.SecondInterface) > 0 && o.Primary != PrimaryEKS:
		return fmt.Errorf("only nodes of the layout %s have a second interface for Pods", PrimaryEKS)
	}
	return nil
}

// routed says that Pods are wired by labPlugin.
func (o Options) routed() bool { return o.Primary != "" && o.Primary != PrimaryPTP }

// The second interface of nodes like those of EKS, and its routing table
// (amazon-vpc-cni-k8s, pkg/networkutils: device number + 1).
const (
	secondUplink = "eth1"
	secondTable  = 2
)

// mainMark is what connections have that must use the node's first interface
// (amazon-vpc-cni-k8s, AWS_VPC_K8S_CNI_CONNMARK).
const mainMark = 0x80

// secondTransit is the address of a node's second interface.
func secondTransit(n int) netip.Addr { return nodeAddress(transitV4, 100+n) }

func (l *Lab) onSecond(pod PodPlan) bool {
	return slices.Contains(l.options.SecondInterface, pod.Key())
}

// tableOf is the routing table of the interface to which the Pod's IPv4
// address belongs; 0 stands for the first, and main.
func (l *Lab) tableOf(pod PodPlan) int {
	if l.onSecond(pod) {
		return secondTable
	}
	return 0
}

// joinSecond gives a node its second interface, as aws-node sets it up: its
// own table with the default route, no route in main, and one rule for all that
// is marked. The router, and the other nodes, send it what is for its Pods.
func (l *Lab) joinSecond(i int, node *namespace) error {
	if l.options.Primary != PrimaryEKS {
		return nil
	}
	port, own, router := fmt.Sprintf("second%d", i), secondTransit(i), transitV4.Addr()
	if err := l.fabric.wireAs(port, secondUplink, node); err != nil {
		return err
	}
	if err := l.fabric.router.enslave(port, "transit"); err != nil {
		return err
	}
	// Both interfaces are on one link: each answers for itself alone.
	err := node.do(func() error {
		for file, value := range map[string]string{"arp_ignore": "1", "arp_announce": "2"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/conf/all/"+file, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	link, err := node.link.LinkByName(secondUplink)
	if err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(own, transitV4.Bits())), Flags: unix.IFA_F_NOPREFIXROUTE}
	if err := node.link.AddrAdd(link, address); err != nil {
		return fmt.Errorf("device %s: address %s: %w", secondUplink, own, err)
	}
	if err := node.link.LinkSetUp(link); err != nil {
		return err
	}
	index := link.Attrs().Index
	for _, route := range []*netlink.Route{
		{LinkIndex: index, Table: secondTable, Scope: netlink.SCOPE_LINK, Dst: ipNet(netip.PrefixFrom(router, 32))},
		{LinkIndex: index, Table: secondTable, Gw: router.AsSlice(), Dst: ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0))},
	} {
		if err := node.link.RouteAdd(route); err != nil {
			return fmt.Errorf("route %s: %w", route, err)
		}
	}
	marked, mask := netlink.NewRule(), uint32(mainMark)
	marked.Priority, marked.Mark, marked.Mask, marked.Table, marked.Family = 1024, mainMark, &mask, unix.RT_TABLE_MAIN, netlink.FAMILY_V4
	if err := node.link.RuleAdd(marked); err != nil {
		return fmt.Errorf("rule %s: %w", marked, err)
	}
	from := netlink.NewRule()
	from.Priority, from.Src, from.Table = 32765, ipNet(netip.PrefixFrom(own, 32)), secondTable
	if err := node.link.RuleAdd(from); err != nil {
		return fmt.Errorf("rule %s: %w", from, err)
	}
	return nil
}

// routesToSecond makes everybody send to a node's second interface what is for
// the Pods there.
func (l *Lab) routesToSecond() error {
	for _, pod := range l.plan.Pods {
		if !l.onSecond(pod) || pod.HostNetwork {
			continue
		}
		home := slices.IndexFunc(l.nodes, func(n *node) bool { return n.plan.Name == pod.Node })
		to := netip.PrefixFrom(pod.Addresses[0], 32)
		if err := l.fabric.router.route(to, secondTransit(home)); err != nil {
			return err
		}
		for i, n := range l.nodes {
			if i == home {
				continue
			}
			if err := n.ns.route(to, secondTransit(home)); err != nil {
				return err
			}
		}
	}
	return nil
}
