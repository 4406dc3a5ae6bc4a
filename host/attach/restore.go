package attach

import (
	"context"
	"fmt"
	"slices"
)

// Restore is called once, before anything else and before requests are served. It makes or repairs the bridge and the
// gateway, finds the Pods that a process before this one attached, undoes those whose veth is gone, completes the others
// and returns them, ordered by name. It does not call the Node: installing the flows of what it returns is the caller's.
// A Pod that ovs-vswitchd has not given a port number is not among them; the Node gets it later from Reconcile.
func (a *Attacher) Restore(ctx context.Context) ([]Attachment, error) {
	ports, err := a.opts.OVS.Ports(ctx, a.opts.Bridge.Name)
	if err != nil {
		return nil, fmt.Errorf("find attached Pods: %w", err)
	}
	for _, p := range ports {
		if !isRecord(p.ExternalIDs) {
			continue
		}
		at, err := readRecord(p.Name, p.ExternalIDs)
		if err != nil {
			a.opts.Logger.Error("a port of the bridge has a damaged record and is left alone; its Pod has no network until it is made again", "err", err)
			continue
		}
		at.OFPort = p.OFPort
		a.members.put(at, false, false)
	}
	if _, err := a.prepare(ctx); err != nil { // with the MTU that fits those found
		return nil, fmt.Errorf("prepare the bridge: %w", err)
	}
	alive, err := a.buryDead(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.mirrorRules(); err != nil {
		a.opts.Logger.Error("the primary's rules about Pods' devices do not hold for the gateway; this is tried again", "err", err)
	}
	for _, m := range alive {
		if err := a.complete(ctx, m); err != nil {
			a.opts.Logger.Error("an attached Pod could not be completed; this is tried again", "err", err)
		}
	}
	if err := a.removeStrayDrops(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(a.Attachments(), func(at Attachment) bool { return at.OFPort == 0 }), nil
}

// buryDead undoes the attachments whose veth is gone, and returns the others.
func (a *Attacher) buryDead(ctx context.Context) (alive []*member, err error) {
	for _, m := range a.members.all() {
		lives, err := a.opts.Host.VethAlive(m.Veth, m.VethIndex)
		if err != nil {
			return nil, err
		}
		if lives {
			alive = append(alive, m)
			continue
		}
		a.opts.Logger.Info("Pod has gone while nobody watched", "pod", m.key().String(), "container", m.ContainerID, "port", m.Veth)
		if err := a.unwind(ctx, &m.Attachment, withoutFlows(a.steps(&m.Attachment))); err != nil {
			a.opts.Logger.Error("what is left of a Pod could not all be removed; this is tried again", "err", err)
		}
	}
	return alive, nil
}

// complete finishes an attachment that was found. It counts as attached whatever fails, so that it keeps its flows;
// Reconcile tries the rest again.
func (a *Attacher) complete(ctx context.Context, m *member) error {
	at := &m.Attachment
	defer a.finish(at)
	for _, s := range withoutFlows(a.steps(at)) {
		if s.skip {
			continue
		}
		if err := s.do(ctx); err != nil {
			return &StepError{Pod: at.key().String(), Verb: "attach", Step: s.name, Err: err}
		}
	}
	return nil
}

// removeStrayDrops ends the drop of veths that no attachment has.
func (a *Attacher) removeStrayDrops() error {
	if !a.mode.dropAtIngress {
		return nil
	}
	names, err := a.opts.Host.Dropped()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, m := range a.members.all() {
		known[m.Veth] = true
	}
	for _, name := range names {
		if !known[name] {
			if err := a.opts.Host.Undrop(name); err != nil {
				return err
			}
		}
	}
	return nil
}
