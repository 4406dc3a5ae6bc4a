package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// DefaultSysctls is where the kernel shows its settings of the network: those of the reading thread's namespace.
const DefaultSysctls = "/proc/sys/net"

// sysctl is a file below Host.sysctls and what it must contain.
type sysctl struct{ file, value string }

// sysctls are what the gateway needs to stand in for the veths (ip-sysctl.rst of the kernel's documentation).
func (g GatewaySettings) sysctls() []sysctl {
	name, loopback := g.Name, "0"
	if g.Loopback {
		loopback = "1"
	}
	v4, v6 := "ipv4/conf/"+name+"/", "ipv6/conf/"+name+"/"
	return []sysctl{
		{v4 + "forwarding", "1"},
		{v4 + "rp_filter", "2"},      // loose: a Pod may have routes that lead elsewhere, and while it moves its own lead to its veth (believed)
		{v4 + "send_redirects", "0"}, // Pods of one node do not see each other on a link; "all" may ask for them still, and the bridge drops them
		{v4 + "accept_redirects", "0"},
		{v4 + "route_localnet", loopback},
		{v6 + "accept_redirects", "0"},
		{v6 + "disable_ipv6", "0"},
		{v6 + "accept_ra", "0"},
		{v6 + "autoconf", "0"},
		{v6 + "accept_dad", "0"}, // its link-local address is usable at once; the bridge repeats no frames
		{v6 + "dad_transmits", "0"},
		{v6 + "forwarding", "1"},
		{v6 + "proxy_ndp", "1"},
		{"ipv6/neigh/" + name + "/proxy_delay", "0"}, // a Pod's first packet does not wait 0.8 s
	}
}

// setSysctls writes those that differ and returns how many did. IPv6 is left out on a node without it.
func (h *Host) setSysctls(list []sysctl) (changed int, err error) {
	wrong, err := h.wrongSysctls(list)
	if err != nil || len(wrong) == 0 {
		return 0, err
	}
	err = in(h.ns, func() error {
		for _, s := range wrong {
			changed++
			if err := os.WriteFile(h.path(s), []byte(s.value), 0); err != nil {
				return fmt.Errorf("set %s to %s (in a container /proc/sys is read-only: mount the node's /proc/sys/net and name it as sysctlDir): %w", h.path(s), s.value, err)
			}
		}
		return nil
	})
	return changed, err
}

func (h *Host) path(s sysctl) string { return path.Join(h.sysctls, s.file) }

// wrongSysctls reads which are not as they must be.
func (h *Host) wrongSysctls(list []sysctl) (wrong []sysctl, err error) {
	err = in(h.ns, func() error {
		_, err := os.Stat(path.Join(h.sysctls, "ipv6"))
		withoutIPv6 := errors.Is(err, fs.ErrNotExist)
		for _, s := range list {
			if withoutIPv6 && strings.HasPrefix(s.file, "ipv6/") {
				continue
			}
			have, err := os.ReadFile(h.path(s))
			if err != nil {
				return fmt.Errorf("read a setting of the kernel: %w", err)
			}
			if strings.TrimSpace(string(have)) != s.value {
				wrong = append(wrong, s)
			}
		}
		return nil
	})
	return wrong, err
}

// takesLoopback reads whether a device routes loopback addresses.
func (h *Host) takesLoopback(name string) (yes bool, err error) {
	wrong, err := h.wrongSysctls([]sysctl{{"ipv4/conf/" + name + "/route_localnet", "1"}})
	return len(wrong) == 0, err
}
