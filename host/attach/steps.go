package attach

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
)

// step is one change to the node with its opposite. Both may be repeated, and undo may follow a do that failed half-way.
type step struct {
	name   string
	skip   bool
	record bool // it writes the record
	flows  bool // the Node does it
	do     func(context.Context) error
	undo   func(context.Context) error
}

// steps lists what attaching a Pod changes, in order. Detaching, and giving up, undo them in the reverse order.
//
// What if the process stops after a step? The record on the port is written before all that needs it to be undone:
//
//	claim, fit        nothing of the Pod's changed; Restore gives the gateway the MTU that fits
//	drop              a rule without a record; Restore removes it (and it dies with the veth)
//	number, flows     also flows for a port that is not there, which the next process deletes as nobody's
//	port              the record is there. From here Restore finds the Pod and completes what is missing, so that the Pod is
//	                  policed whatever the runtime believes; the DEL or the repeated ADD that follows finds it, and
//	                  a Pod whose veth has gone is undone
//	offload … routes  as after port: each is read from the record
//
// and on the way back:
//
//	routes … offload  the record is still there: Restore completes the attachment again, DEL undoes it again
//	port              a rule without a record, and flows without a port, as above
//
// The flows come before the port because ovs-vswitchd looks at all its ports again whenever one comes: what is asked of it
// after that waits for it, on a node with many Pods for tenths of a second.
func (a *Attacher) steps(at *Attachment) []step {
	p := a.parts(at)
	n := a.numbered(at, p)
	return []step{p.claim, p.fit, p.drop, n.number, p.flows, n.port, n.other, p.offload, p.neighbour, p.proxies, p.routes}
}

// parts are the steps by name, for the orders in which they are done.
type parts struct {
	claim, fit, drop, port, offload, neighbour, proxies, routes, flows step
}

func (a *Attacher) parts(at *Attachment) parts {
	host := a.opts.Host
	return parts{
		claim: step{
			name: "claim its addresses",
			do:   func(context.Context) error { return a.members.claim(at) },
			undo: func(context.Context) error { a.members.remove(at.key()); return nil },
		},
		fit: step{
			name: "fit the gateway to it",
			do:   a.fitGateway,
			undo: func(ctx context.Context) error {
				a.members.put(leaving(at), false, false)
				if err := a.fitGateway(ctx); err != nil { // a gateway that is too large harms nobody
					a.opts.Logger.Warn("the gateway stays as it is for now", "err", err)
				}
				return nil
			},
		},
		drop: step{
			name: "drop its frames in the kernel",
			skip: !a.mode.dropAtIngress,
			do:   func(context.Context) error { _, err := host.Drop(at.Veth); return err },
			undo: func(context.Context) error { return host.Undrop(at.Veth) },
		},
		port: step{
			name:   "add its port to the bridge",
			record: true,
			do:     func(ctx context.Context) error { return a.addPort(ctx, at) },
			undo:   func(ctx context.Context) error { return a.delPort(ctx, at) },
		},
		offload: step{
			name: "turn checksum offload off in it",
			skip: !a.mode.checksumInPod,
			do: func(context.Context) error {
				return hostnet.SetTxOffload(at.Netns, at.IfName, at.undo.Offload, false)
			},
			undo: func(context.Context) error {
				return a.ifAlive(at, func() error {
					return hostnet.SetTxOffload(at.Netns, at.IfName, at.undo.Offload, true)
				})
			},
		},
		neighbour: step{
			name: "make it a neighbour of the gateway",
			do: func(context.Context) error {
				_, err := host.SetNeighbours(a.gatewayIndex(), at.Addresses, at.MAC)
				return err
			},
			undo: func(context.Context) error { return host.DelNeighbours(a.gatewayIndex(), at.Addresses) },
		},
		proxies: step{
			name: "answer neighbour solicitations for its gateway",
			do:   func(context.Context) error { _, err := a.syncProxies(nil); return err },
			undo: func(context.Context) error { _, err := a.syncProxies(at); return err },
		},
		routes: step{
			name: "move its routes to the gateway",
			do:   func(context.Context) error { _, err := a.moveRoutes(at); return err },
			undo: func(context.Context) error { return a.restoreRoutes(at) },
		},
		flows: step{
			name:  "install its flows",
			flows: true,
			do:    func(ctx context.Context) error { return a.opts.Node.AttachPod(ctx, at.Pod()) },
			undo:  func(ctx context.Context) error { return a.opts.Node.DetachPod(ctx, at.Namespace, at.Name) },
		},
	}
}

// leaving is an attachment that the gateway need not fit any more.
func leaving(at *Attachment) *Attachment {
	c := *at
	c.MTU, c.Loopback = 0, false
	return &c
}

// How long ovs-vswitchd may take to answer for a port. It normally needs some milliseconds.
const (
	addPatience = 15 * time.Second
	delPatience = 3 * time.Second // the database has forgotten the port by then, and ovs-vswitchd follows when it is back
)

func (a *Attacher) addPort(ctx context.Context, at *Attachment) error {
	ctx, cancel := context.WithTimeout(ctx, addPatience)
	defer cancel()
	ids, err := at.record()
	if err != nil {
		return err
	}
	at.OFPort, err = a.opts.OVS.AddPort(ctx, ovsdb.PortOptions{Bridge: a.opts.Bridge.Name, Name: at.Veth, ExternalIDs: ids, OFPort: at.OFPort})
	return err
}

func (a *Attacher) delPort(ctx context.Context, at *Attachment) error {
	ctx, cancel := context.WithTimeout(ctx, delPatience)
	defer cancel()
	err := a.opts.OVS.DelPort(ctx, a.opts.Bridge.Name, at.Veth)
	var other *ovsdb.OtherBridgeError
	switch {
	case errors.As(err, &other): // it was never ours: adding it failed for this reason
		return nil
	case errors.Is(err, ovsdb.ErrNotApplied):
		a.opts.Logger.Warn("ovs-vswitchd lets go of the port when it is back", "port", at.Veth, "err", err)
		return nil
	}
	return err
}

func (a *Attacher) moveRoutes(at *Attachment) (changed int, err error) {
	changed, waiting, err := a.opts.Host.MoveRoutes(at.undo.Routes, a.move(at, at.VethIndex))
	if err == nil && waiting {
		a.members.put(at, false, true)
	}
	return changed, err
}

func (a *Attacher) move(at *Attachment, veth int) hostnet.Move {
	return hostnet.Move{Veth: veth, Gateway: a.gatewayIndex(), MTU: at.MTU}
}

// restoreRoutes gives the veth its routes back.
//
// The node must know the Pod on its veth by then: while the kernel's datapath has the port, the answer to a question would
// go to the bridge, and packets would wait for it.
func (a *Attacher) restoreRoutes(at *Attachment) error {
	veth := 0
	err := a.ifAlive(at, func() error {
		veth = at.VethIndex
		return a.opts.Host.Introduce(veth, at.Addresses, at.MAC)
	})
	return errors.Join(err, a.opts.Host.RestoreRoutes(at.undo.Routes, a.move(at, veth)))
}

// ifAlive calls fn if the Pod's veth is still there.
func (a *Attacher) ifAlive(at *Attachment, fn func() error) error {
	alive, err := a.opts.Host.VethAlive(at.Veth, at.VethIndex)
	if err != nil || !alive {
		return err
	}
	return fn()
}

// run does the steps. If one fails, it and all before it are undone, also when ctx has ended.
func (a *Attacher) run(ctx context.Context, at *Attachment, steps []step) error {
	for i, s := range steps {
		if s.skip {
			continue
		}
		err := ctx.Err()
		if err == nil {
			err = s.do(ctx)
		}
		if err == nil {
			continue
		}
		failure := &StepError{Pod: at.key().String(), Verb: "attach", Step: s.name, Err: err}
		if i > 0 { // a claim that failed has nothing to undo: the entry is another container's
			undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.UndoTimeout)
			defer cancel()
			if undo := a.unwind(undoing, at, steps[:i+1]); undo != nil {
				failure.Undo = undo
			}
		}
		return failure
	}
	return nil
}

// unwind undoes the steps in reverse order. It goes on after a failure until it reaches the record, which stays then: it is
// what a repeated DEL needs to try again.
func (a *Attacher) unwind(ctx context.Context, at *Attachment, steps []step) error {
	var errs []error
	for _, s := range slices.Backward(steps) {
		if s.skip {
			continue
		}
		if s.record && len(errs) > 0 {
			break
		}
		if err := s.undo(ctx); err != nil {
			errs = append(errs, &StepError{Pod: at.key().String(), Verb: "detach", Step: "undo \"" + s.name + "\"", Err: err})
			if s.record {
				break
			}
		}
	}
	return errors.Join(errs...)
}

// withoutFlows leaves out the steps that a Node does, for when there is none yet.
func withoutFlows(steps []step) []step {
	return slices.DeleteFunc(steps, func(s step) bool { return s.flows })
}
