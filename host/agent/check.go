package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/openflow"
)

// CheckPod compares the Pod's flows in the switch with those that the datapath
// makes for it.
func (n node) CheckPod(ctx context.Context, pod attach.Pod) (faults []error, err error) {
	gateway := n.a.attacher.Gateway()
	err = n.a.engine.do(ctx, task{
		change: func() error {
			faults, err = n.a.engine.podFaults(ctx, datapath.LocalPod(pod), datapath.Gateway{OFPort: gateway.OFPort, MAC: gateway.MAC})
			return err
		},
		settle: func(error) error { return nil }, // nothing was to be written
	})
	return faults, err
}

// podFaults names the flows of a Pod that are missing, changed or too many.
func (e *engine) podFaults(ctx context.Context, pod datapath.LocalPod, gw datapath.Gateway) ([]error, error) {
	if e.conn == nil {
		return nil, datapath.ErrNoSwitch
	}
	widest, _ := e.dp.Widest()
	want, err := podFlows(ctx, pod, gw, e.dp.Logged(pod.Namespace), widest)
	if err != nil {
		return nil, err
	}
	if len(want) == 0 {
		return nil, fmt.Errorf("no flows at all for Pod %s", pod.Key())
	}
	// All flows of a Pod have one cookie.
	dump, err := e.conn.DumpFlows(ctx, openflow.FlowFilter{Cookie: want[0].Cookie, CookieMask: ^uint64(0)})
	if err != nil {
		return nil, err
	}
	have := make(map[openflow.FlowKey]openflow.Flow, len(dump))
	for _, s := range dump {
		have[s.Key()] = s.Flow
	}
	var faults []error
	for _, f := range want {
		found, there := have[f.Key()]
		switch {
		case !there:
			faults = append(faults, fmt.Errorf("flow %s is not in the switch", f))
		case found != f:
			faults = append(faults, fmt.Errorf("flow %s was changed to %s", f, found))
		}
		delete(have, f.Key())
	}
	for _, f := range have {
		faults = append(faults, fmt.Errorf("flow %s in the switch is none of Sluice's", f))
	}
	return faults, nil
}

// podFlows are the flows that a datapath makes for one Pod: what a datapath of
// its own writes for it, that knows nothing else but the Pod with the largest MTU.
func podFlows(ctx context.Context, pod datapath.LocalPod, gw datapath.Gateway, logged bool, widest datapath.LocalPod) ([]openflow.Flow, error) {
	var written recorder
	scratch := datapath.New(datapath.Options{Inventory: inventory.New(), Logger: slog.New(slog.DiscardHandler)})
	scratch.LogNamespace(pod.Namespace, logged)
	scratch.SetGateway(gw)
	if err := scratch.Connect(ctx, &written); err != nil {
		return nil, err
	}
	if widest.MTU > pod.MTU {
		scratch.PutPod(widest)
	}
	if _, err := scratch.Realise(ctx); err != nil {
		return nil, err
	}
	written.flows = nil
	scratch.PutPod(pod)
	if _, err := scratch.Realise(ctx); err != nil {
		return nil, err
	}
	return written.flows, nil
}

// recorder is a switch that keeps what it is told to add.
type recorder struct{ flows []openflow.Flow }

func (r *recorder) Apply(_ context.Context, mods []openflow.Mod) error {
	for _, m := range mods {
		f, adds := m.Flow()
		if !adds {
			return errors.New("a fresh datapath deletes a flow")
		}
		r.flows = append(r.flows, f)
	}
	return nil
}

func (*recorder) EachFlow(context.Context, openflow.FlowFilter, func(openflow.FlowStats)) error {
	return nil
}

func (*recorder) DumpGroups(context.Context) ([]openflow.GroupEntry, error) { return nil, nil }
func (*recorder) DumpMeters(context.Context) ([]openflow.MeterEntry, error) { return nil, nil }
func (*recorder) AddMeter(context.Context, openflow.MeterEntry) error       { return nil }
func (*recorder) ModifyMeter(context.Context, openflow.MeterEntry) error    { return nil }
