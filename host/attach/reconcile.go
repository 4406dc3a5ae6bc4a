package attach

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
)

// Repairs counts what was not as it must be and was put right.
type Repairs struct {
	Gateway    int // bridge, gateway port, MAC address, MTU, link state, kernel settings
	Ports      int // ports of Pods that were gone, or had other numbers or records
	Routes     int
	Neighbours int
	Proxies    int
	Drops      int // nftables chains
	Offloads   int // Pods whose checksum offload was on again
	Pruned     int // attachments whose veth was gone
	Mirrored   int // times that the primary's rules about Pods' devices were copied anew for the gateway
}

// Total is the sum.
func (r Repairs) Total() int {
	return r.Gateway + r.Ports + r.Routes + r.Neighbours + r.Proxies + r.Drops + r.Offloads + r.Pruned + r.Mirrored
}

// Reconcile looks at everything that somebody may have changed by hand, and puts it right. A Pod whose port got another
// OpenFlow number is given to the Node again. What fails for one Pod does not keep the others from being looked at.
func (a *Attacher) Reconcile(ctx context.Context) (Repairs, error) {
	var r Repairs
	var err error
	if a.retired.Load() {
		return r, nil
	}
	if r.Gateway, err = a.prepare(ctx); err != nil {
		return r, fmt.Errorf("repair the bridge and the gateway: %w", err)
	}
	now, err := a.begin()
	if err != nil {
		return r, err
	}
	var errs []error
	for _, m := range a.members.all() {
		if err := a.reconcile(ctx, m.key(), now, &r); err != nil {
			errs = append(errs, err)
		}
	}
	if n, err := a.syncProxies(nil); err != nil {
		errs = append(errs, err)
	} else {
		r.Proxies += n
	}
	if changed, err := a.mirrorRules(); err != nil {
		errs = append(errs, err)
	} else if changed {
		r.Mirrored++
	}
	return r, errors.Join(errs...)
}

// reconcile goes by what a round knows; nil: it looks for itself.
func (a *Attacher) reconcile(ctx context.Context, pod podKey, now *round, r *Repairs) error {
	leave, err := a.queue.enter(ctx, pod)
	if err != nil {
		return err
	}
	defer leave()
	m := a.members.get(pod) // it may have gone or been replaced while this waited
	if m == nil {
		return nil
	}
	alive, err := a.opts.Host.VethAlive(m.Veth, m.VethIndex)
	if err != nil {
		return err
	}
	if !alive {
		r.Pruned++
		a.opts.Logger.Info("Pod has gone without a DEL", "pod", pod.String(), "container", m.ContainerID, "port", m.Veth)
		return a.detach(ctx, &m.Attachment)
	}
	if !m.ready { // a DEL that failed half-way is repeated by the runtime
		return nil
	}
	return a.repair(ctx, m, now, r)
}

// repair puts right all that belongs to one attached Pod. The caller has the Pod's turn.
func (a *Attacher) repair(ctx context.Context, m *member, now *round, r *Repairs) error {
	host, at := a.opts.Host, &m.Attachment
	fail := func(step string, err error) error {
		return &StepError{Pod: at.key().String(), Verb: "repair", Step: step, Err: err}
	}
	if a.mode.dropAtIngress && !now.drops(at.Veth) {
		changed, err := host.Drop(at.Veth)
		if err != nil {
			return fail("drop its frames in the kernel", err)
		}
		if changed {
			r.Drops++
		}
	}
	if a.mode.checksumInPod {
		if err := a.repairOffload(m, now, r); err != nil {
			return fail("turn checksum offload off in it", err)
		}
	}
	if proxies, err := a.proxiesOf(at, at.undo.Proxies); err != nil {
		return fail("read the addresses of its veth", err)
	} else if !slices.Equal(proxies, at.undo.Proxies) {
		// The veth got its link-local address after ADD, which is no fault.
		if err := a.changeProxies(ctx, m, proxies); err != nil {
			return fail("answer neighbour solicitations for its gateway", err)
		}
	}
	if err := a.repairPort(ctx, at, r); err != nil {
		return fail("put its port back", err)
	}
	if now.inPlace(a, m) {
		return nil
	}
	n, err := host.SetNeighbours(a.gatewayIndex(), at.Addresses, at.MAC)
	if r.Neighbours += n; err != nil {
		return fail("make it a neighbour of the gateway", err)
	}
	n, waiting, err := host.MoveRoutes(at.undo.Routes, a.move(at, at.VethIndex))
	if !m.waiting { // a route that gets its source address at last was not broken
		r.Routes += n
	}
	if err != nil {
		return fail("move its routes to the gateway", err)
	}
	if waiting && !m.waiting {
		a.wakeSettle()
	}
	a.members.put(at, m.ready, waiting)
	return nil
}

func (a *Attacher) repairOffload(m *member, now *round, r *Repairs) error {
	at := &m.Attachment
	if quiet, err := now.offloadQuiet(at); err != nil || quiet {
		return err
	}
	on, err := a.offloadedAgain(m)
	if err != nil || len(on) == 0 {
		return err
	}
	now.offloadLoud(at)
	r.Offloads++
	return hostnet.SetTxOffload(at.Netns, at.IfName, on, false)
}

func (a *Attacher) changeProxies(ctx context.Context, m *member, proxies []netip.Addr) error {
	at := &m.Attachment
	at.undo.Proxies = proxies
	a.members.put(at, m.ready, m.waiting)
	ids, err := at.record()
	if err != nil {
		return err
	}
	if _, found, err := a.opts.OVS.Port(ctx, at.Veth); err != nil {
		return err
	} else if found {
		if err := a.opts.OVS.SetExternalIDs(ctx, at.Veth, ids); err != nil {
			return err
		}
	}
	_, err = a.syncProxies(nil)
	return err
}

func (a *Attacher) repairPort(ctx context.Context, at *Attachment, r *Repairs) error {
	ids, err := at.record()
	if err != nil {
		return err
	}
	have, found, err := a.opts.OVS.Port(ctx, at.Veth)
	if err != nil {
		return err
	}
	if found && have.OFPort == at.OFPort && at.OFPort != 0 && maps.Equal(have.ExternalIDs, ids) {
		return nil
	}
	number, err := a.opts.OVS.AddPort(ctx, ovsdb.PortOptions{Bridge: a.opts.Bridge.Name, Name: at.Veth, ExternalIDs: ids, OFPort: at.OFPort})
	if err != nil {
		return err
	}
	r.Ports++
	if number != at.OFPort {
		at.OFPort = number
		a.members.put(at, true, false)
		return a.opts.Node.AttachPod(ctx, at.Pod())
	}
	return nil
}

// settlePause is how long Run waits before it looks again at routes whose source address the kernel still checks. That
// takes one second by default (RFC 4862, section 5.1), and a random delay of up to one more.
const settlePause = 250 * time.Millisecond

// Run repairs, until ctx ends: at regular times, and at once when the gateway device changes, as it does when ovs-vswitchd
// restarts or somebody deletes the port. Report gets what each look found; if it is nil, that is logged.
func (a *Attacher) Run(ctx context.Context, report func(Repairs, error)) error {
	changed := make(chan struct{}, 1)
	if err := a.opts.Host.WatchLink(ctx, a.opts.Gateway.Name, changed); err != nil {
		return err
	}
	every := time.NewTicker(a.opts.ReconcileEvery)
	defer every.Stop()
	var settle <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.settleSoon:
			settle = time.After(settlePause)
			continue
		case <-settle:
			settle = nil
			if a.settle(ctx) {
				a.wakeSettle()
			}
			continue
		case <-changed:
		case <-every.C:
		}
		limited, cancel := context.WithTimeout(ctx, max(a.opts.ReconcileEvery, time.Second))
		r, err := a.Reconcile(limited)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if report != nil {
			report(r, err)
			continue
		}
		if err != nil {
			a.opts.Logger.Error("the node could not be repaired; this is tried again", "err", err)
		}
		if r.Total() > 0 {
			a.opts.Logger.Warn("the node was not as it must be and was repaired", "repairs", r)
		}
	}
}

func (a *Attacher) wakeSettle() {
	select {
	case a.settleSoon <- struct{}{}:
	default:
	}
}

// settle names the source address in the routes that waited for it; more says that some still wait.
func (a *Attacher) settle(ctx context.Context) (more bool) {
	for _, m := range a.members.all() {
		if !m.waiting || !m.ready {
			continue
		}
		var r Repairs
		if err := a.reconcile(ctx, m.key(), nil, &r); err != nil {
			a.opts.Logger.Warn("a route does not name its source address yet", "pod", m.key().String(), "err", err)
		}
		if now := a.members.get(m.key()); now != nil && now.waiting {
			more = true
		}
	}
	return more
}
