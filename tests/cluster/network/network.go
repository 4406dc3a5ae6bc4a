package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ControlPlane is the control plane's address.
const ControlPlane = "10.90.0.1"

// PodCIDR is what all Pods' addresses are in.
const PodCIDR = "10.244.0.0/16"

// Network is the wires of one cluster.
type Network struct {
	dir   string
	Nodes []Node
}

// Node is a node's place in the network.
type Node struct {
	Name      string // n1, n2, …
	Address   string
	PodCIDR   string
	Namespace string // a file
}

// Namespace is the control plane's, a file.
func (n *Network) Namespace() string { return filepath.Join(n.dir, "netns", "control-plane") }

// New makes the namespaces and links for a number of nodes, with files in a directory.
func New(dir string, nodes int) (*Network, error) {
	if nodes < 1 || nodes > 200 {
		return nil, fmt.Errorf("%d nodes: there may be 1 to 200", nodes)
	}
	n := &Network{dir: dir}
	for i := 1; i <= nodes; i++ {
		name := fmt.Sprintf("n%d", i)
		n.Nodes = append(n.Nodes, Node{
			Name: name, Address: fmt.Sprintf("10.90.0.%d", 10+i), PodCIDR: fmt.Sprintf("10.244.%d.0/24", i),
			Namespace: filepath.Join(dir, "netns", name),
		})
	}
	if err := n.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("building the cluster's network: %w", err), n.Close())
	}
	return n, nil
}

func (n *Network) build() error {
	if err := os.MkdirAll(filepath.Join(n.dir, "netns"), 0o755); err != nil {
		return err
	}
	router, err := namespace(n.Namespace())
	if err != nil {
		return err
	}
	defer router.close()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	if err := router.nl.LinkAdd(bridge); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	if err := router.address("br0", ControlPlane+"/24"); err != nil {
		return err
	}
	for _, node := range n.Nodes {
		if err := n.connect(router, node); err != nil {
			return fmt.Errorf("node %s: %w", node.Name, err)
		}
	}
	return nil
}

// connect makes a node's namespace, its link to the bridge and its routes.
func (n *Network) connect(router *space, node Node) error {
	s, err := namespace(node.Namespace)
	if err != nil {
		return err
	}
	defer s.close()
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: node.Name, Namespace: netlink.NsFd(router.ns)},
		PeerName:  "eth0", PeerNamespace: netlink.NsFd(s.ns),
	}
	if err := router.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if err := router.enslave(node.Name, "br0"); err != nil {
		return err
	}
	if err := s.address("eth0", node.Address+"/24"); err != nil {
		return err
	}
	if err := s.route("0.0.0.0/0", ControlPlane); err != nil {
		return err
	}
	for _, other := range n.Nodes {
		if other.Name == node.Name {
			continue
		}
		if err := s.route(other.PodCIDR, other.Address); err != nil {
			return err
		}
	}
	return router.route(node.PodCIDR, node.Address)
}

// Close removes the namespaces. Links go with them when the last process in them ends.
func (n *Network) Close() error { return Remove(n.dir) }

// Remove removes what New made in a directory, also for a process that has ended.
func Remove(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "netns", "*"))
	for _, file := range files {
		if unmounting := unix.Unmount(file, unix.MNT_DETACH); unmounting != nil && !errors.Is(unmounting, unix.EINVAL) {
			err = errors.Join(err, fmt.Errorf("unmount %s: %w", file, unmounting))
			continue
		}
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// space is a network namespace while it is set up.
type space struct {
	ns netns.NsHandle
	nl *netlink.Handle
}

func (s *space) close() { s.nl.Close(); s.ns.Close() }

// namespace makes one that forwards, and mounts it at a file.
func namespace(file string) (*space, error) {
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which is elsewhere now, ends with this function
		made <- mount(file)
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("network namespace %s (root is needed): %w", file, err)
	}
	ns, err := netns.GetFromPath(file)
	if err != nil {
		return nil, err
	}
	nl, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	s := &space{ns, nl}
	lo, err := nl.LinkByName("lo")
	if err == nil {
		err = nl.LinkSetUp(lo)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func mount(file string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := os.WriteFile(file, nil, 0o444); err != nil {
		return err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), file, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

func (s *space) address(link, cidr string) error {
	l, err := s.nl.LinkByName(link)
	if err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	if err := s.nl.AddrAdd(l, addr); err != nil {
		return fmt.Errorf("address %s of %s: %w", cidr, link, err)
	}
	return s.nl.LinkSetUp(l)
}

func (s *space) enslave(link, bridge string) error {
	l, err := s.nl.LinkByName(link)
	if err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	b, err := s.nl.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("link %s: %w", bridge, err)
	}
	return errors.Join(s.nl.LinkSetMaster(l, b), s.nl.LinkSetUp(l))
}

func (s *space) route(to, via string) error {
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		return err
	}
	if err := s.nl.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(via)}); err != nil {
		return fmt.Errorf("route to %s via %s: %w", to, via, err)
	}
	return nil
}
