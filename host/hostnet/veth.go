package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Veth is a Pod's veth pair: the end on the node and the end in the Pod.
type Veth struct {
	Name     string // of the node's end
	Index    int    // of the node's end
	MTU      int    // bytes, of the Pod's end
	PodIndex int
	PodMAC   net.HardwareAddr
	// PodAddresses are the addresses of the Pod's end, link-local ones left out.
	PodAddresses []netip.Addr
	// Others are the Pod's further devices that are up, its loopback device left out.
	Others []string
	// Loopback: the node's end takes answers to the node's loopback addresses, as the plugin portmap asks for where a port
	// of the node leads to the Pod (ip-sysctl.rst, route_localnet).
	Loopback bool
	// PodGateways are the next hops in the Pod's routes, of both families.
	PodGateways []netip.Addr
}

// VethProblem is why a Pod's interface cannot be attached.
type VethProblem int

// The problems.
const (
	NoNetns       VethProblem = iota + 1 // the Pod's network namespace cannot be opened
	NoInterface                          // the interface, or its end on the node, is not there
	NotVeth                              // the interface is of another kind, for example ipvlan or macvlan
	OtherBridge                          // the node's end belongs to another bridge or bond
	PeerElsewhere                        // the other end is not in the node's network namespace
	RuledByDevice                        // the node's routing rules name the node's end
)

// VethError says what is wrong with a Pod's interface and what to do.
type VethError struct {
	Problem VethProblem
	Text    string
	Remedy  string
	Err     error // may be nil
}

func (e *VethError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Text, e.Err)
	}
	return e.Text
}

func (e *VethError) Unwrap() error { return e.Err }

// FindVeth finds the node's end of the interface ifName of the network namespace at netnsPath, through the peer index that
// the kernel gives for each end (IFLA_LINK with IFLA_LINK_NETNSID, rtnetlink(7)), and checks it from both ends.
// The error is a *VethError unless the kernel failed.
func (h *Host) FindVeth(netnsPath, ifName string) (*Veth, error) {
	ns, err := netns.GetFromPath(netnsPath)
	if err != nil {
		return nil, &VethError{
			Problem: NoNetns, Text: fmt.Sprintf("network namespace %s cannot be opened", netnsPath), Err: err,
			Remedy: "see that the agent sees the node's network namespaces (a container needs /run/netns with mount propagation HostToContainer)",
		}
	}
	defer ns.Close()
	pod, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket in %s: %w", netnsPath, err)
	}
	defer pod.Close()
	inside, err := podEnd(pod, netnsPath, ifName)
	if err != nil {
		return nil, err
	}
	outside, err := h.nodeEnd(ns, pod, inside, netnsPath)
	if err != nil {
		return nil, err
	}
	v := &Veth{
		Name: outside.Attrs().Name, Index: outside.Attrs().Index, MTU: inside.Attrs().MTU,
		PodIndex: inside.Attrs().Index, PodMAC: inside.Attrs().HardwareAddr,
	}
	if v.PodAddresses, err = addressesOf(pod, inside, func(a netip.Addr) bool { return !a.IsLinkLocalUnicast() }); err != nil {
		return nil, fmt.Errorf("read the addresses of %s in %s: %w", ifName, netnsPath, err)
	}
	if v.PodGateways, err = gatewaysOf(pod, inside); err != nil {
		return nil, fmt.Errorf("read the routes of %s in %s: %w", ifName, netnsPath, err)
	}
	if v.Others, err = othersOf(pod, inside); err != nil {
		return nil, fmt.Errorf("list the devices in %s: %w", netnsPath, err)
	}
	if v.Loopback, err = h.takesLoopback(v.Name); err != nil {
		return nil, err
	}
	return v, nil
}

func podEnd(pod *netlink.Handle, netnsPath, ifName string) (netlink.Link, error) {
	link, err := pod.LinkByName(ifName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, &VethError{
			Problem: NoInterface, Text: fmt.Sprintf("there is no interface %s in %s", ifName, netnsPath),
			Remedy: "chain sluice-cni after the plugin that makes the interface",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s in %s: %w", ifName, netnsPath, err)
	}
	if link.Type() != "veth" {
		return nil, &VethError{
			Problem: NotVeth, Text: fmt.Sprintf("interface %s in %s is of kind %s, and Sluice needs a veth", ifName, netnsPath, link.Type()),
			Remedy: "chain sluice-cni after a plugin that makes a routed veth, such as ptp; ipvlan, macvlan and SR-IOV cannot be policed by a bridge",
		}
	}
	return link, nil
}

func (h *Host) nodeEnd(podNS netns.NsHandle, pod *netlink.Handle, inside netlink.Link, netnsPath string) (netlink.Link, error) {
	index, ifName := inside.Attrs().ParentIndex, inside.Attrs().Name
	elsewhere := func(err error) error {
		return &VethError{
			Problem: PeerElsewhere, Err: err,
			Text:   fmt.Sprintf("the other end of %s in %s (index %d) is not in the node's network namespace", ifName, netnsPath, index),
			Remedy: "see that the agent runs in the node's network namespace (hostNetwork: true)",
		}
	}
	if inside.Attrs().NetNsID >= 0 { // the kernel leaves it out if both ends are in one namespace
		id, err := pod.GetNetNsIdByFd(int(h.ns))
		if err != nil || id != inside.Attrs().NetNsID {
			return nil, elsewhere(err)
		}
	}
	outside, err := h.nl.LinkByIndex(index)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, &VethError{
			Problem: NoInterface, Text: fmt.Sprintf("the node's end of %s in %s (index %d) is gone", ifName, netnsPath, index),
			Remedy: "let the container runtime make the Pod's sandbox again",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for the node's end of %s in %s: %w", ifName, netnsPath, err)
	}
	if outside.Type() != "veth" || outside.Attrs().ParentIndex != inside.Attrs().Index {
		return nil, elsewhere(nil)
	}
	if outside.Attrs().NetNsID >= 0 {
		id, err := h.nl.GetNetNsIdByFd(int(podNS))
		if err != nil || id != outside.Attrs().NetNsID {
			return nil, elsewhere(err)
		}
	}
	if master := outside.Attrs().MasterIndex; master != 0 {
		if err := h.allowMaster(outside, master); err != nil {
			return nil, err
		}
	}
	return outside, nil
}

// kernelDatapath is the device that the kernel datapath of Open vSwitch makes the master of its ports. Which bridge a port
// is on, the database knows.
const kernelDatapath = "ovs-system"

func (h *Host) allowMaster(veth netlink.Link, index int) error {
	name := fmt.Sprintf("index %d", index)
	if master, err := h.nl.LinkByIndex(index); err == nil {
		if master.Attrs().Name == kernelDatapath {
			return nil
		}
		name = master.Attrs().Name
	}
	return &VethError{
		Problem: OtherBridge, Text: fmt.Sprintf("%s belongs to %s already", veth.Attrs().Name, name),
		Remedy: "chain sluice-cni after a plugin that routes, such as ptp; a plugin that bridges keeps the Pod's veth for itself",
	}
}

// VethAlive says whether the node has a veth of this name with this index.
func (h *Host) VethAlive(name string, index int) (bool, error) {
	link, err := h.nl.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	return link.Type() == "veth" && link.Attrs().Index == index, nil
}

// VethAddresses lists the IPv6 addresses of the node's end, link-local ones included: what a Pod may have as its gateway.
func (h *Host) VethAddresses(index int) ([]netip.Addr, error) {
	link, err := h.nl.LinkByIndex(index)
	if err != nil {
		return nil, fmt.Errorf("look for the link with index %d: %w", index, err)
	}
	return addressesOf(h.nl, link, func(a netip.Addr) bool { return a.Is6() })
}

func addressesOf(nl *netlink.Handle, link netlink.Link, keep func(netip.Addr) bool) ([]netip.Addr, error) {
	list, err := complete(func() ([]netlink.Addr, error) { return nl.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, err
	}
	var result []netip.Addr
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok && keep(addr.Unmap()) {
			result = append(result, addr.Unmap())
		}
	}
	return result, nil
}

func othersOf(nl *netlink.Handle, link netlink.Link) ([]string, error) {
	list, err := complete(nl.LinkList)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, other := range list {
		attrs := other.Attrs()
		if attrs.Index != link.Attrs().Index && attrs.Flags&net.FlagUp != 0 && attrs.Flags&net.FlagLoopback == 0 {
			names = append(names, attrs.Name)
		}
	}
	return names, nil
}

func gatewaysOf(nl *netlink.Handle, link netlink.Link) ([]netip.Addr, error) {
	routes, err := complete(func() ([]netlink.Route, error) {
		return nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{LinkIndex: link.Attrs().Index}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, err
	}
	var result []netip.Addr
	for _, r := range routes {
		if gw := addrOf(r.Gw); gw.IsValid() && !slices.Contains(result, gw) {
			result = append(result, gw)
		}
	}
	return result, nil
}

// dumpAttempts bounds how often a list is read again because it changed while the kernel wrote it.
const dumpAttempts = 10

// complete reads a list from the kernel until it comes uninterrupted.
func complete[T any](list func() (T, error)) (T, error) {
	var result T
	var err error
	for range dumpAttempts {
		if result, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return result, err
}

// gone says that the kernel's error means that the thing is not there.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, os.ErrNotExist)
}
