package agent

import (
	"context"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/datapath"
)

// node is what attach asks of the agent.
type node struct{ a *agent }

// AttachPod installs a Pod's flows. A Pod that the source does not know has no
// labels and so no policy: it is refused, not let in.
func (n node) AttachPod(ctx context.Context, pod attach.Pod) error {
	if err := n.a.engine.waitReady(ctx); err != nil {
		return err
	}
	if _, err := n.a.source.Pod(ctx, pod.Namespace, pod.Name); err != nil {
		return err
	}
	return n.a.engine.AttachPod(ctx, datapath.LocalPod(pod))
}

// DetachPod removes a Pod's flows.
func (n node) DetachPod(ctx context.Context, namespace, name string) error {
	return n.a.engine.DetachPod(ctx, namespace, name)
}
