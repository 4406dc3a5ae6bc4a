package transparency

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/sluice-net/sluice/host/lab"
)

// defaultRoute is the next hop of an end's default route of IPv6.
func defaultRoute(t *testing.T, l *lab.Lab, end string) netip.Addr {
	t.Helper()
	var via netip.Addr
	in(t, l, end, func() error {
		routes, err := netlink.RouteList(nil, netlink.FAMILY_V6)
		for _, r := range routes {
			if ones := 0; r.Dst == nil || r.Dst.IP.IsUnspecified() {
				if r.Dst != nil {
					ones, _ = r.Dst.Mask.Size()
				}
				if ones == 0 {
					via, _ = netip.AddrFromSlice(r.Gw)
				}
			}
		}
		return err
	})
	return via
}
