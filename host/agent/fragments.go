package agent

import (
	"context"
	"fmt"
	"strconv"

	"github.com/sluice-net/sluice/host/ovsdb"
)

// smallestFragment is the least that the userspace datapath can be told to take
// for an honest fragment, in bytes (ovs-vswitchd(8), ipf-set-min-frag).
const smallestFragment = 400

// admitSmallFragments makes the userspace datapath put datagrams together from
// smaller fragments than it would: by itself it takes those below 1200 bytes
// (IPv6: 1280) for an attack, and every IPv4 path may have an MTU of 576
// (RFC 791). ovs-vswitchd forgets it when it ends, so it is told with each new
// connection.
func (a *agent) admitSmallFragments(ctx context.Context) {
	if a.datapath != ovsdb.NetdevDatapath {
		return // the kernel takes all
	}
	socket, err := controlSocket(a.Config.OVS.RunDir)
	for _, family := range []string{"v4", "v6"} {
		if err == nil {
			_, err = control(ctx, socket, "dpctl/ipf-set-min-frag", family, strconv.Itoa(smallestFragment))
		}
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn(fmt.Sprintf("fragments below 1200 bytes are lost: ovs-vswitchd cannot be told to take them from %d bytes on", smallestFragment), "error", err)
	}
}
