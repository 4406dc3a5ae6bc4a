package attach

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/host/hostnet"
)

// Check says whether a container is attached as Add left it, and changes nothing: port, number, record, routes, neighbours,
// and the drop in the kernel.
func (a *Attacher) Check(ctx context.Context, q *wire.Request) error {
	t, err := parse(q)
	if err != nil {
		return err
	}
	m := a.members.byContainer(t.containerID, t.ifName)
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

func (a *Attacher) faults(ctx context.Context, m *member) (faults []error, err error) {
	at := &m.Attachment
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	alive, err := a.opts.Host.VethAlive(at.Veth, at.VethIndex)
	if err != nil {
		return nil, err
	}
	if !alive {
		fault("its veth %s is gone", at.Veth)
		return faults, nil
	}
	port, found, err := a.opts.OVS.Port(ctx, at.Veth)
	if err != nil {
		return nil, err
	}
	ids, err := at.record()
	switch {
	case err != nil:
		return nil, err
	case !found:
		fault("bridge %s has no port %s", a.opts.Bridge.Name, at.Veth)
	case port.OFPort != at.OFPort:
		fault("port %s has number %d instead of %d (%s)", at.Veth, port.OFPort, at.OFPort, port.Error)
	case !maps.Equal(port.ExternalIDs, ids):
		fault("the external_ids of port %s were changed", at.Veth)
	}
	gateway, err := a.opts.Host.LinkIndex(a.opts.Gateway.Name)
	if err != nil {
		return nil, err
	}
	if gateway == 0 {
		fault("the gateway %s is gone", a.opts.Gateway.Name)
		return faults, nil
	}
	routes, err := a.astrayRoutes(m)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		fault("route %s does not lead through %s", r, a.opts.Gateway.Name)
	}
	neighbours, err := a.opts.Host.AstrayNeighbours(gateway, at.Addresses, at.MAC)
	if err != nil {
		return nil, err
	}
	for _, n := range neighbours {
		fault("%s is no permanent neighbour of %s", n, a.opts.Gateway.Name)
	}
	if a.mode.dropAtIngress {
		dropped, err := a.opts.Host.Dropped()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(dropped, at.Veth) {
			fault("the kernel routes frames from %s past the bridge", at.Veth)
		}
	}
	return faults, nil
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

// GC detaches what the runtime does not list as valid, among the attachments of the request's network.
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
		if m.Network != t.network || valid[types.GCAttachment{ContainerID: m.ContainerID, IfName: m.IfName}] {
			continue
		}
		if err := a.Del(ctx, &wire.Request{Command: wire.Del, ContainerID: m.ContainerID, IfName: m.IfName, Config: q.Config}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
