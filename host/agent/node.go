package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/ovsdb"
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
	n.a.seen.add(pod.Namespace, pod.Name)
	err := n.a.engine.AttachPod(ctx, datapath.LocalPod(pod))
	if errors.Is(err, datapath.ErrNoSwitch) {
		err = fmt.Errorf("%w: %w", ovsdb.ErrNotApplied, err) // the runtime is to try again
	}
	return err
}

// ReleasePod removes the flows for what is sent to a Pod.
func (n node) ReleasePod(ctx context.Context, namespace, name string) error {
	return n.a.engine.ReleasePod(ctx, namespace, name)
}

// DetachPod removes a Pod's flows.
func (n node) DetachPod(ctx context.Context, namespace, name string) error {
	var ofport uint32
	_ = n.a.engine.ask(ctx, func() { // the end of ctx shows in the next step
		for _, p := range n.a.engine.dp.Pods() {
			if p.Namespace == namespace && p.Name == name {
				ofport = p.OFPort
			}
		}
	})
	if err := n.a.engine.DetachPod(ctx, namespace, name); err != nil || ofport == 0 {
		return err
	}
	return n.a.closeWindows(ctx, ofport)
}
