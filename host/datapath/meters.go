package datapath

import (
	"context"
	"errors"
	"fmt"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// setMeters makes the meters what they should be. They cannot be part of a
// bundle, and must be there before the flows that use them. On a datapath that
// has no meters nothing is sent to the agent, as nothing would limit it:
// what is to be refused is dropped, and there is no audit log.
func (d *Datapath) setMeters(ctx context.Context) error {
	there, err := d.sw.DumpMeters(ctx)
	if err != nil {
		return fmt.Errorf("reading the meters of the bridge: %w", err)
	}
	for _, m := range meters() {
		if slices.Contains(there, m) {
			continue
		}
		set := d.sw.AddMeter
		if slices.ContainsFunc(there, func(o of.MeterEntry) bool { return o.ID == m.ID }) {
			set = d.sw.ModifyMeter
		}
		if err := set(ctx, m); err != nil {
			return d.withoutMeters(err)
		}
	}
	d.tellAgent(true)
	return nil
}

// withoutMeters tells a refusal from a broken connection.
func (d *Datapath) withoutMeters(err error) error {
	var refused *of.Error
	if !errors.As(err, &refused) {
		return fmt.Errorf("setting the meters of the bridge: %w", err)
	}
	if !d.untold {
		d.log.Warn("the datapath has no meters (Linux has them since 4.18): what is to be rejected is dropped, and nothing is written to the audit log", "error", err)
	}
	d.tellAgent(false)
	return nil
}

func (d *Datapath) tellAgent(on bool) {
	if d.untold == !on {
		return
	}
	d.untold = !on
	d.services.tell(on)
	if d.gateway.OFPort == 0 {
		return
	}
	for _, f := range tellFlows() {
		if on {
			d.book.put(f)
		} else {
			d.book.remove(f.Key())
		}
	}
}

// TellsAgent says whether the switch tells the agent of packets to refuse and
// to log: not if its datapath has no meters.
func (d *Datapath) TellsAgent() bool { return !d.untold }
