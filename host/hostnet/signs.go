package hostnet

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Signs are what a node shows of the plugin that wires its Pods. What Sluice moves is not among them: they are the same with
// Pods on the bridge and without.
type Signs struct {
	Devices []VethSigns
	// HostRules counts, by priority, the rules that send what is for one address to the main table.
	HostRules map[int]int
}

// VethSigns are those of one veth.
type VethSigns struct {
	Name     string
	ProxyARP bool // it answers ARP for every address (ip-sysctl.rst, proxy_arp)
}

// Signs reads them, and changes nothing.
func (h *Host) Signs() (Signs, error) {
	s := Signs{HostRules: map[int]int{}}
	links, err := complete(h.nl.LinkList)
	if err != nil {
		return s, fmt.Errorf("list the node's devices: %w", err)
	}
	err = in(h.ns, func() error {
		for _, link := range links {
			if link.Type() != "veth" {
				continue
			}
			name := link.Attrs().Name
			have, err := os.ReadFile(path.Join("/proc/sys/net/ipv4/conf", name, "proxy_arp"))
			if errors.Is(err, os.ErrNotExist) {
				continue // it has just gone
			}
			if err != nil {
				return fmt.Errorf("read a setting of %s: %w", name, err)
			}
			s.Devices = append(s.Devices, VethSigns{name, strings.TrimSpace(string(have)) == "1"})
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	rules, err := h.rules()
	if err != nil {
		return s, err
	}
	for _, r := range rules {
		if r.Dst == nil || r.Table != unix.RT_TABLE_MAIN {
			continue
		}
		if ones, bits := r.Dst.Mask.Size(); ones == bits {
			s.HostRules[r.Priority]++
		}
	}
	return s, nil
}

func (h *Host) rules() ([]netlink.Rule, error) {
	var all []netlink.Rule
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := complete(func() ([]netlink.Rule, error) { return h.nl.RuleList(family) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the node's routing rules: %w", err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// AllowRules refuses a veth whose packets the node routes by their device: with Sluice they come from the gateway, and the
// rule would not apply. The plugin of EKS does that for Pods with security groups of their own, so that their packets to
// neighbours leave the node too; a bridge would keep them on it. The error is a *VethError.
func (h *Host) AllowRules(veth string) error {
	rules, err := h.rules()
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.IifName == veth {
			return &VethError{
				Problem: RuledByDevice,
				Text:    fmt.Sprintf("the node routes what comes from %s by a rule of its own (priority %d, table %d), past the bridge", veth, r.Priority, r.Table),
				Remedy:  "for security groups of Pods on EKS, set POD_SECURITY_GROUP_ENFORCING_MODE=standard; or leave this Pod out of Sluice",
			}
		}
	}
	return nil
}
