package agent

import (
	"context"
	"slices"

	"github.com/sluice-net/sluice/host/openflow"
)

// asideMark is the first byte of the cookie of flows that the agent keeps on the
// bridge beside the datapath's: the windows of adopted Pods (windows.go).
const asideMark = uint64(0x52)

// aside is the bridge as the datapath sees it: without the flows that are none
// of its business, which it would take for somebody's and remove.
type aside struct{ *openflow.Conn }

// DumpFlows leaves out the flows beside.
func (a aside) DumpFlows(ctx context.Context, filter openflow.FlowFilter) ([]openflow.FlowStats, error) {
	flows, err := a.Conn.DumpFlows(ctx, filter)
	return slices.DeleteFunc(flows, func(f openflow.FlowStats) bool { return f.Cookie>>56 == asideMark }), err
}
