package attach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/host/hostnet"
)

// Check says whether a container is attached as Add left it, and changes nothing. faults.go lists what it looks at.
func (a *Attacher) Check(ctx context.Context, q *wire.Request) error {
	t, err := parse(q)
	if err != nil {
		return err
	}
	m := a.members.of(t)
	if m == nil || !m.ready {
		return types.NewError(types.ErrUnknownContainer, fmt.Sprintf("container %s (Pod %s) is not attached with interface %s", t.containerID, t.pod, t.ifName),
			"let the container runtime make the Pod's sandbox again")
	}
	leave, err := a.queue.enter(ctx, m.key())
	if err != nil {
		return fmt.Errorf("wait for other requests about Pod %s: %w", m.key(), err)
	}
	defer leave()
	faults, err := a.faults(ctx, m)
	if err != nil {
		return fmt.Errorf("check Pod %s: %w", m.key(), err)
	}
	if len(faults) > 0 {
		return types.NewError(CodeCheck, fmt.Sprintf("Pod %s is not attached as it must be: %v", m.key(), errors.Join(faults...)),
			fmt.Sprintf("sluice-agent repairs this by itself every %v", a.opts.ReconcileEvery))
	}
	return nil
}

// astrayRoutes leaves out those that only wait for their source address.
func (a *Attacher) astrayRoutes(m *member) ([]hostnet.Route, error) {
	at := &m.Attachment
	astray, _, err := a.opts.Host.AstrayRoutes(at.undo.Routes, a.move(at, at.VethIndex))
	if err != nil || !m.waiting {
		return astray, err
	}
	for i := range astray {
		astray[i].Picked = netip.Addr{}
	}
	astray, _, err = a.opts.Host.AstrayRoutes(astray, a.move(at, at.VethIndex))
	return astray, err
}

// statusPatience bounds how long Status waits for ovs-vswitchd.
const statusPatience = 3 * time.Second

// Status says whether an Add would work now: the database answers, ovs-vswitchd works, and the gateway is there. The error
// has code 50 ("not available").
func (a *Attacher) Status(ctx context.Context) error {
	unavailable := func(err error, remedy string) error {
		return types.NewError(types.ErrPluginNotAvailable, "Pods cannot be attached: "+err.Error(), remedy)
	}
	if err := a.inService(); err != nil {
		return err
	}
	if !a.opts.OVS.Connected() {
		return unavailable(errors.New("the Open vSwitch database does not answer"), "see that ovsdb-server runs")
	}
	limited, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	if err := a.opts.OVS.WaitApplied(limited); err != nil {
		return unavailable(err, "see that ovs-vswitchd runs")
	}
	index, err := a.opts.Host.LinkIndex(a.opts.Gateway.Name)
	if err == nil && index == 0 {
		err = fmt.Errorf("the gateway %s is not there", a.opts.Gateway.Name)
	}
	if err != nil {
		return unavailable(err, again)
	}
	return nil
}

// GC detaches what the runtime does not list as valid, among the attachments of the request's network. Of a Pod that was
// adopted nobody knows what the runtime calls it: Reconcile detaches it when its veth has gone.
func (a *Attacher) GC(ctx context.Context, q *wire.Request) error {
	t, err := parse(q)
	if err != nil {
		return err
	}
	if !t.hasValidAttachments {
		return types.NewError(types.ErrInvalidNetworkConfig, "GC without cni.dev/valid-attachments", "the container runtime must list what is valid, be it nothing")
	}
	valid := make(map[types.GCAttachment]bool, len(t.validAttachments))
	for _, v := range t.validAttachments {
		valid[v] = true
	}
	var errs []error
	for _, m := range a.members.all() {
		if m.Adopted() || m.Network != t.network || valid[types.GCAttachment{ContainerID: m.ContainerID, IfName: m.IfName}] {
			continue
		}
		if err := a.Del(ctx, &wire.Request{Command: wire.Del, ContainerID: m.ContainerID, IfName: m.IfName, Config: q.Config}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
