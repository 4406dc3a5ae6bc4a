package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
)

// Add attaches a Pod and returns prevResult as it came. The Pod's policy is in force when it returns.
//
// For a container that is attached it makes sure that everything is in place and answers the same. For a Pod that is
// attached with another container, which the runtime has given up, it replaces the older attachment.
func (a *Attacher) Add(ctx context.Context, q *wire.Request) (json.RawMessage, error) {
	t, err := parseAdd(q)
	if err != nil {
		return nil, err
	}
	leave, err := a.queue.enter(ctx, t.pod)
	if err != nil {
		return nil, fmt.Errorf("wait for other requests about Pod %s: %w", t.pod, err)
	}
	defer leave()
	if err := a.inService(); err != nil {
		return nil, err
	}
	at, done, err := a.makeRoom(ctx, t)
	if err != nil || done {
		return t.prevResult, err
	}
	steps := a.steps(at)
	if err := a.run(ctx, at, steps); err != nil {
		return nil, err
	}
	a.finish(at)
	a.opts.Logger.Info("Pod attached", "pod", t.pod.String(), "container", at.ContainerID, "port", at.Veth, "ofport", at.OFPort, "addresses", at.Addresses)
	return t.prevResult, nil
}

// finish marks the Pod as attached.
func (a *Attacher) finish(at *Attachment) {
	m := a.members.get(at.key())
	waiting := m != nil && m.waiting
	a.members.put(at, true, waiting)
	if waiting {
		a.wakeSettle()
	}
}

// lookup reads, and changes nothing, what an attachment of the target is and how to undo it.
func (a *Attacher) lookup(ctx context.Context, t *target) (*Attachment, error) {
	host := a.opts.Host
	veth, err := host.FindVeth(t.netns, t.ifName)
	if err != nil {
		return nil, fmt.Errorf("attach Pod %s: %w", t.pod, err)
	}
	if err := host.AllowRules(veth.Name); err != nil {
		return nil, fmt.Errorf("attach Pod %s: %w", t.pod, err)
	}
	owner, err := a.opts.OVS.Owner(ctx, veth.Name)
	if err != nil {
		return nil, fmt.Errorf("attach Pod %s: look for the bridge of %s: %w", t.pod, veth.Name, err)
	}
	if owner != "" && owner != a.opts.Bridge.Name {
		return nil, fmt.Errorf("attach Pod %s: %w", t.pod, &ovsdb.OtherBridgeError{Port: veth.Name, Bridge: owner})
	}
	at := &Attachment{
		Namespace: t.pod.namespace, Name: t.pod.name, UID: t.uid, Network: t.network, ContainerID: t.containerID,
		Netns: t.netns, IfName: t.ifName, Veth: veth.Name, VethIndex: veth.Index, MAC: veth.PodMAC, MTU: veth.MTU,
		Loopback:  veth.Loopback,
		Addresses: t.addresses,
	}
	if len(at.Addresses) == 0 {
		at.Addresses = veth.PodAddresses
	}
	if len(at.Addresses) == 0 {
		return nil, types.NewError(types.ErrInvalidNetworkConfig,
			fmt.Sprintf("Pod %s has no address: neither prevResult nor %s in %s has one", t.pod, t.ifName, t.netns),
			"chain sluice-cni after a plugin with IPAM")
	}
	if m := a.members.byContainer(t.containerID, t.ifName); m != nil && m.VethIndex == at.VethIndex {
		at.undo, at.OFPort = m.undo, m.OFPort // the node looks as Sluice has made it, not as it was before
		return at, nil
	}
	if len(veth.Others) > 0 {
		a.opts.Logger.Warn("a Pod has devices that are not on the bridge: what it sends and gets there is not policed", "pod", t.pod.String(), "policed", t.ifName, "others", veth.Others)
	}
	if deviations := a.opts.Primary().Deviations(veth); len(deviations) > 0 {
		a.opts.Logger.Warn("a Pod is not wired as the profile says, and is attached as it is", "pod", t.pod.String(),
			"profile", a.opts.Primary().Name, "deviations", deviations)
	}
	if at.undo.Routes, err = host.SavedRoutes(veth, at.Addresses); err != nil {
		return nil, fmt.Errorf("attach Pod %s: read the routes of %s: %w", t.pod, veth.Name, err)
	}
	if at.undo.Proxies, err = a.proxiesOf(at, veth.PodGateways); err != nil {
		return nil, fmt.Errorf("attach Pod %s: %w", t.pod, err)
	}
	if a.mode.checksumInPod {
		if at.undo.Offload, err = hostnet.TxOffload(at.Netns, at.IfName); err != nil {
			return nil, fmt.Errorf("attach Pod %s: %w", t.pod, err)
		}
	}
	return at, nil
}

// proxiesOf lists the IPv6 addresses that a Pod may ask for: those of the veth, and those in its routes.
func (a *Attacher) proxiesOf(at *Attachment, gateways []netip.Addr) ([]netip.Addr, error) {
	if !slices.ContainsFunc(at.Addresses, netip.Addr.Is6) {
		return nil, nil
	}
	list, err := a.opts.Host.VethAddresses(at.VethIndex)
	if err != nil {
		return nil, err
	}
	for _, g := range gateways {
		if g.Is6() && !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list), nil
}

// makeRoom looks the Pod up and deals with attachments that are in the way. It says done if the Pod is attached already.
func (a *Attacher) makeRoom(ctx context.Context, t *target) (at *Attachment, done bool, err error) {
	for range 3 { // at most one of the same Pod and one of another are in the way
		if at, err = a.lookup(ctx, t); err != nil {
			return nil, false, err
		}
		m := a.members.get(t.pod)
		switch {
		case m == nil:
			if evicted, err := a.evict(ctx, at); err != nil || !evicted {
				return at, false, err
			}
			continue
		case m.ContainerID == t.containerID && m.IfName != t.ifName:
			return nil, false, types.NewError(CodeSecondInterface, fmt.Sprintf("Pod %s has interface %s on the bridge already, so %s cannot be attached", t.pod, m.IfName, t.ifName),
				"chain sluice-cni into the Pod's default network only")
		case m.ContainerID == t.containerID && m.ready && m.VethIndex == at.VethIndex && slices.Equal(m.Addresses, at.Addresses):
			return at, true, a.repeat(ctx, m)
		case m.Adopted() && m.ready && m.VethIndex == at.VethIndex && sameSet(m.Addresses, at.Addresses):
			return at, true, a.name(ctx, m, t)
		}
		if err := a.detach(ctx, &m.Attachment); err != nil {
			return nil, false, fmt.Errorf("attach Pod %s: detach its container %s first: %w", t.pod, m.ContainerID, err)
		}
	}
	return at, false, nil
}

// repeat makes sure that an attached Pod is attached.
func (a *Attacher) repeat(ctx context.Context, m *member) error {
	var r Repairs
	if err := a.repair(ctx, m, nil, &r); err != nil {
		return err
	}
	if _, err := a.syncProxies(nil); err != nil {
		return err
	}
	if err := a.opts.Node.AttachPod(ctx, m.Pod()); err != nil {
		return &StepError{Pod: m.key().String(), Verb: "attach", Step: "install its flows", Err: err}
	}
	return nil
}

func sameSet(a, b []netip.Addr) bool {
	order := func(list []netip.Addr) []netip.Addr {
		return slices.SortedFunc(slices.Values(list), netip.Addr.Compare)
	}
	return slices.Equal(order(a), order(b))
}

// name gives a Pod that was adopted, while its ADD was on the way, what the runtime calls it.
func (a *Attacher) name(ctx context.Context, m *member, t *target) error {
	m.ContainerID, m.UID, m.Network, m.Netns, m.IfName = t.containerID, t.uid, t.network, t.netns, t.ifName
	a.members.put(&m.Attachment, m.ready, m.waiting)
	return a.repeat(ctx, m) // which also writes the record
}

// evict detaches another Pod that has one of the addresses if its veth is gone: the runtime has not told of its end yet.
func (a *Attacher) evict(ctx context.Context, at *Attachment) (evicted bool, err error) {
	owner := a.members.owner(at.Addresses, at.key())
	if owner == nil {
		return false, nil
	}
	alive, err := a.opts.Host.VethAlive(owner.Veth, owner.VethIndex)
	if err != nil || alive {
		return false, err // an owner that is alive is refused by the claim
	}
	unlock, ok := a.queue.tryLock(owner.key())
	if !ok {
		return false, types.NewError(types.ErrTryAgainLater, fmt.Sprintf("attach Pod %s: Pod %s, which had its address, is being detached", at.key(), owner.key()), again)
	}
	defer unlock()
	if m := a.members.get(owner.key()); m != nil && m.ContainerID == owner.ContainerID {
		return true, a.detach(ctx, &m.Attachment)
	}
	return true, nil
}
