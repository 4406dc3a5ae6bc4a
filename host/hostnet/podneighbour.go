package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Readdress gives what a running Pod has learned about its neighbours at the address from the address to, and returns how
// many entries that were. A Pod whose router changes its address would find out by itself only after its probes have
// failed, which takes many seconds. Entries that somebody set for good are left alone. What a redirect taught the Pod is
// forgotten.
func Readdress(netnsPath, ifName string, from, to net.HardwareAddr) (changed int, err error) {
	ns, err := netns.GetFromPath(netnsPath)
	if err != nil {
		return 0, fmt.Errorf("open network namespace %s: %w", netnsPath, err)
	}
	defer ns.Close()
	pod, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, fmt.Errorf("open a netlink socket in %s: %w", netnsPath, err)
	}
	defer pod.Close()
	link, err := pod.LinkByName(ifName)
	if err != nil {
		return 0, fmt.Errorf("look for %s in %s: %w", ifName, netnsPath, err)
	}
	list, err := complete(func() ([]netlink.Neigh, error) { return pod.NeighList(link.Attrs().Index, 0) })
	if err != nil {
		return 0, fmt.Errorf("list the neighbours of %s in %s: %w", ifName, netnsPath, err)
	}
	var errs []error
	for _, n := range list {
		if n.State&(netlink.NUD_PERMANENT|netlink.NUD_NOARP) != 0 {
			continue
		}
		if !bytes.Equal(n.HardwareAddr, from) {
			if !bytes.Equal(n.HardwareAddr, to) {
				errs = append(errs, forgetRedirect(pod, n))
			}
			continue
		}
		changed++
		n.HardwareAddr, n.State = to, netlink.NUD_STALE // it is used at once, and checked soon
		if err := pod.NeighSet(&n); err != nil {
			errs = append(errs, fmt.Errorf("tell %s in %s that %s is at %s: %w", ifName, netnsPath, n.IP, to, err))
		}
	}
	return changed, errors.Join(errs...)
}

// forgetRedirect undoes an IPv6 redirect (RFC 4861, 8) to a Pod of the same node, which is no neighbour behind a veth. The
// node sends one for what comes and goes by the gateway, as a connection does that is older than its other end's place on
// the bridge; Linux has no setting against it. The bridge lets none pass, but while a Pod leaves the bridge its route leads
// to the veth already.
func forgetRedirect(pod *netlink.Handle, n netlink.Neigh) error {
	if n.IP.To4() != nil || !n.IP.IsGlobalUnicast() {
		return nil
	}
	all := net.CIDRMask(128, 128)
	learned := &netlink.Route{Dst: &net.IPNet{IP: n.IP, Mask: all}, LinkIndex: n.LinkIndex, Flags: unix.RTM_F_CLONED}
	if err := pod.RouteDel(learned); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil // it is a neighbour, but by no redirect
		}
		return fmt.Errorf("forget the redirect to %s: %w", n.IP, err)
	}
	if err := pod.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("forget the neighbour %s of a redirect: %w", n.IP, err)
	}
	return nil
}

// HardwareAddr is the address of the node's device with this index.
func (h *Host) HardwareAddr(index int) (net.HardwareAddr, error) {
	link, err := h.nl.LinkByIndex(index)
	if err != nil {
		return nil, fmt.Errorf("look for the link with index %d: %w", index, err)
	}
	return link.Attrs().HardwareAddr, nil
}
