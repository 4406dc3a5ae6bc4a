package agent

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/openflow"
)

// watchWindows closes the windows of connections that have ended or are no
// longer allowed, until ctx ends.
func (a *agent) watchWindows(ctx context.Context) error {
	tick := time.NewTicker(windowsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if _, err := a.tidyWindows(ctx); err != nil && !errors.Is(err, datapath.ErrNoSwitch) && ctx.Err() == nil {
			a.log.Error("comparing adopted connections with the sockets of their Pods", "error", err)
		}
	}
}

// tidyWindows looks once, and returns how many windows it closed.
func (a *agent) tidyWindows(ctx context.Context) (closed int, err error) {
	conn, err := a.bridge(ctx)
	if err != nil {
		return 0, err
	}
	all, err := conn.DumpFlows(ctx, openflow.FlowFilter{Table: openflow.InTable(uint8(datapath.Orient)), Cookie: asideMark << 56, CookieMask: 0xff << 56})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	pods := map[uint64]attach.Attachment{}
	for _, at := range a.attacher.Attachments() {
		pods[windowCookie(at.OFPort)] = at
	}
	needed := map[uint64]map[openflow.FlowKey]bool{}
	var mods []openflow.Mod
	for _, f := range all {
		keep, looked := needed[f.Cookie]
		if !looked {
			if keep, err = a.neededWindows(ctx, pods[f.Cookie]); err != nil {
				return 0, err
			}
			needed[f.Cookie] = keep
		}
		if !keep[f.Key()] {
			mods = append(mods, openflow.DeleteFlowStrict(f.Key()))
		}
	}
	return len(mods), a.writeAside(ctx, mods)
}

// neededWindows are those that an attachment's open connections would get now;
// none for one that is gone.
func (a *agent) neededWindows(ctx context.Context, at attach.Attachment) (map[openflow.FlowKey]bool, error) {
	keep := map[openflow.FlowKey]bool{}
	if at.Veth == "" {
		return keep, nil
	}
	connections, err := hostnet.Connections(at.Netns, at.Addresses)
	if err != nil {
		return keep, nil //nolint:nilerr // the Pod has ended, and its connections with it
	}
	view, err := a.view(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range a.allowed(view, connections) {
		for _, w := range windows(c, at.OFPort) {
			keep[w.Key()] = true
		}
	}
	return keep, nil
}
