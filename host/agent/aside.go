package agent

import (
	"context"

	"github.com/sluice-net/sluice/host/openflow"
)

// asideMark is the first byte of the cookie of flows that the agent keeps on the
// bridge beside the datapath's: the windows of adopted Pods (windows.go).
const asideMark = uint64(0x52)

// aside is the bridge as the datapath sees it: without the flows that are none
// of its business, which it would take for somebody's and remove.
type aside struct{ *openflow.Conn }

// EachFlow leaves out the flows beside.
func (a aside) EachFlow(ctx context.Context, filter openflow.FlowFilter, each func(openflow.FlowStats)) error {
	return a.Conn.EachFlow(ctx, filter, func(f openflow.FlowStats) {
		if f.Cookie>>56 != asideMark {
			each(f)
		}
	})
}
