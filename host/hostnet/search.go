package hostnet

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// PodEnd is where a Pod's address leads: the interface in the Pod, and a path by which its namespace can be opened.
type PodEnd struct{ Netns, IfName string }

// FindPod finds the Pod that has the addresses through the node's own routes: a routing plugin makes a host route for each
// address, in some table, to the node's end of the Pod's veth. The error is a *VethError unless the kernel failed.
func (h *Host) FindPod(addresses []netip.Addr) (PodEnd, error) {
	outside, err := h.vethTo(addresses)
	if err != nil {
		return PodEnd{}, err
	}
	attrs := outside.Attrs()
	if attrs.NetNsID < 0 {
		return PodEnd{}, &VethError{
			Problem: PeerElsewhere, Text: fmt.Sprintf("the other end of %s is in the node's network namespace too", attrs.Name),
			Remedy: "it is no Pod's: see which plugin made the route",
		}
	}
	path, err := h.pathOf(attrs.NetNsID)
	if err != nil {
		return PodEnd{}, fmt.Errorf("look for the network namespace behind %s: %w", attrs.Name, err)
	}
	if path == "" {
		return PodEnd{}, &VethError{
			Problem: NoNetns, Text: fmt.Sprintf("the network namespace behind %s cannot be found", attrs.Name),
			Remedy: "see that the agent sees the node's network namespaces (/run/netns with mount propagation HostToContainer) or its processes (hostPID: true)",
		}
	}
	name, err := nameInside(path, attrs.ParentIndex)
	return PodEnd{Netns: path, IfName: name}, err
}

// vethTo returns the veth to which the host route of one of the addresses leads.
func (h *Host) vethTo(addresses []netip.Addr) (netlink.Link, error) {
	other := "no route"
	for _, a := range addresses {
		routes, err := complete(func() ([]netlink.Route, error) {
			dst := netip.PrefixFrom(a, a.BitLen())
			return h.nl.RouteListFiltered(family(a), &netlink.Route{Dst: ipNet(dst), Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("look for the route to %s: %w", a, err)
		}
		for _, r := range routes {
			if r.Table == unix.RT_TABLE_LOCAL || r.LinkIndex == 0 {
				continue
			}
			link, err := h.nl.LinkByIndex(r.LinkIndex)
			if err != nil {
				continue // it has just gone
			}
			if link.Type() == "veth" {
				return link, nil
			}
			other = fmt.Sprintf("only one through %s, which is of kind %s", link.Attrs().Name, link.Type())
		}
	}
	return nil, &VethError{
		Problem: NoInterface, Text: fmt.Sprintf("the node has no host route through a veth for %v, but %s", addresses, other),
		Remedy: "only Pods of a plugin that routes, such as ptp, can be adopted; those of a plugin that bridges have no route of their own",
	}
}

// pathOf finds a path by which the namespace that the node knows under this number can be opened: where namespaces are
// mounted, else that of a process. It is empty if there is none.
func (h *Host) pathOf(id int) (string, error) {
	seen := map[uint64]bool{}
	is := func(path string) bool {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return false // gone by now, or hidden
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || seen[st.Ino] {
			return false
		}
		seen[st.Ino] = true
		have, err := h.nl.GetNetNsIdByFd(fd)
		return err == nil && have == id
	}
	mounts, err := mountedNamespaces()
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(mounts, is); i >= 0 {
		return mounts[i], nil
	}
	processes, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(processes, is); i >= 0 {
		return processes[i], nil
	}
	return "", nil
}

// mountedNamespaces lists where network namespaces are mounted, as container runtimes do it (proc(5), mountinfo).
func mountedNamespaces() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var paths []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 5 && strings.HasPrefix(fields[3], "net:[") {
			paths = append(paths, unescape.Replace(fields[4]))
		}
	}
	return paths, lines.Err()
}

// unescape undoes what the kernel does to special characters in mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// nameInside is the name of the link with this index in another namespace.
func nameInside(path string, index int) (string, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return "", fmt.Errorf("open network namespace %s: %w", path, err)
	}
	defer ns.Close()
	pod, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return "", fmt.Errorf("open a netlink socket in %s: %w", path, err)
	}
	defer pod.Close()
	link, err := pod.LinkByIndex(index)
	if err != nil {
		return "", errors.Join(fmt.Errorf("look for the link with index %d in %s", index, path), err)
	}
	return link.Attrs().Name, nil
}
