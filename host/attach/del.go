package attach

import (
	"context"
	"fmt"

	"github.com/sluice-net/sluice/cni/wire"
)

// Del takes a Pod off the bridge and puts everything back as it was before Add. A container that is not attached is no
// error: it was detached before, or replaced by another container of the same Pod, which stays.
//
// After an error the attachment is still known, and Del may be called again.
func (a *Attacher) Del(ctx context.Context, q *wire.Request) error {
	t, err := parse(q)
	if err != nil {
		return err
	}
	m := a.members.of(t)
	if m == nil { // perhaps its ADD is still under way, under the name that this request has too
		m = &member{Attachment: Attachment{Namespace: t.pod.namespace, Name: t.pod.name}}
	}
	leave, err := a.queue.enter(ctx, m.key())
	if err != nil {
		return fmt.Errorf("wait for other requests about Pod %s: %w", m.key(), err)
	}
	defer leave()
	if m = a.members.of(t); m == nil {
		return nil
	}
	if err := a.detach(ctx, &m.Attachment); err != nil {
		return err
	}
	a.opts.Logger.Info("Pod detached", "pod", m.key().String(), "container", m.ContainerID, "port", m.Veth)
	return nil
}

// detach undoes all steps. The caller has the Pod's turn.
func (a *Attacher) detach(ctx context.Context, at *Attachment) error {
	a.members.put(at, false, false) // Reconcile must not repair it from here on
	return a.unwind(ctx, at, a.steps(at))
}
