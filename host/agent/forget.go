package agent

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/host/datapath"
)

// forget makes the bridge's conntrack forget the connections of addresses, in
// both roles. It needs the control socket of ovs-vswitchd (ovs-appctl(8),
// dpctl/flush-conntrack; from Open vSwitch 3.1 on), as OpenFlow has no such
// request that older switches would understand.
func (a *agent) forget(ctx context.Context, addresses []netip.Addr) error {
	socket, err := controlSocket(a.Config.OVS.RunDir)
	if err != nil {
		return err
	}
	zone := fmt.Sprintf("zone=%d", datapath.Zone)
	for _, addr := range addresses {
		source := "ct_nw_src=" + addr.String()
		if addr.Is6() {
			source = "ct_ipv6_src=" + addr.String()
		}
		// An empty tuple matches everything: the second is about replies, whose
		// source is whom the connection was opened to.
		for _, tuples := range [][]string{{source}, {"", source}} {
			if _, err := control(ctx, socket, "dpctl/flush-conntrack", append([]string{zone}, tuples...)...); err != nil {
				return err
			}
		}
	}
	return nil
}
