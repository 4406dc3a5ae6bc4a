package attach

import (
	"context"
	"errors"
	"fmt"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/host/hostnet"
)

// Eject takes a running Pod off the bridge, in the opposite order of Adopt: the node looks as before Add or Adopt, and the
// Pod's connections go on. A Pod that is not attached is an error; after any other, Eject may be called again.
func (a *Attacher) Eject(ctx context.Context, namespace, name string) error {
	key := podKey{namespace, name}
	leave, err := a.queue.enter(ctx, key)
	if err != nil {
		return fmt.Errorf("wait for other requests about Pod %s: %w", key, err)
	}
	defer leave()
	m := a.members.get(key)
	if m == nil {
		return &NotAttachedError{Pod: key.String()}
	}
	at := &m.Attachment
	a.members.put(at, false, false) // Reconcile must not repair it from here on
	if err := a.unwind(ctx, at, a.adopting(at, &Adoption{})); err != nil {
		return err
	}
	a.opts.Logger.Info("Pod ejected", "pod", key.String(), "port", at.Veth)
	return nil
}

// NotAttachedError says that there is nothing to eject.
type NotAttachedError struct{ Pod string }

func (e *NotAttachedError) Error() string { return fmt.Sprintf("Pod %s is not on the bridge", e.Pod) }

// Uninstall ejects every Pod, then removes the bridge with the gateway and all that is left of Sluice in the kernel. From
// its first moment no Pod is attached any more and nothing is repaired, also if it fails; it may be called again then. A Pod
// that could not be ejected keeps the bridge.
func (a *Attacher) Uninstall(ctx context.Context) (ejected int, err error) {
	a.retired.Store(true)
	var errs []error
	for _, m := range a.members.all() {
		err := a.Eject(ctx, m.Namespace, m.Name)
		var gone *NotAttachedError
		switch {
		case err == nil:
			ejected++
		case !errors.As(err, &gone): // a DEL came first
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return ejected, fmt.Errorf("the bridge stays, as not every Pod could be ejected: %w", errors.Join(errs...))
	}
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	if err := a.removeStrayDrops(); err != nil {
		return ejected, err
	}
	if _, _, err := a.opts.Host.MirrorRules(hostnet.Mirror{}); err != nil {
		return ejected, err
	}
	if err := a.opts.OVS.DeleteBridge(ctx, a.opts.Bridge.Name); err != nil {
		return ejected, err
	}
	a.gateway = Gateway{}
	return ejected, nil
}

// inService refuses after Uninstall.
func (a *Attacher) inService() error {
	if a.retired.Load() {
		return types.NewError(types.ErrPluginNotAvailable, "Sluice was uninstalled from this node", "start sluice-agent again to install it, or stop it for good")
	}
	return nil
}
