package datapath

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	of "github.com/sluice-net/sluice/host/openflow"
)

// Stats count what was written.
type Stats struct {
	Flows      int           // installed
	FlowMods   uint64        // written since the start
	Bundles    uint64        // written since the start
	Repaired   uint64        // flows found to differ from what had been written
	LastBundle time.Duration // first message to barrier
	LastMods   int           // in the last bundle
}

// Stats of this datapath.
func (d *Datapath) Stats() Stats {
	s := d.stats
	s.Flows = d.book.installed
	return s
}

// Connect takes a fresh connection into use. Nothing is written: the next
// Realise compares a dump with what is wanted by then. A caller that starts up
// puts in everything it knows first.
func (d *Datapath) Connect(ctx context.Context, sw Switch) error {
	d.sw = sw
	if err := d.setMeters(ctx); err != nil {
		return err
	}
	_, err := d.audit(ctx)
	return err
}

// Disconnect forgets the connection. The flows stay in the switch.
func (d *Datapath) Disconnect() { d.sw = nil }

// audit reads all flows and groups back and returns how many were not as recorded.
// A group that is gone took the flows with it that used it.
func (d *Datapath) audit(ctx context.Context) (int, error) {
	dump := d.book.compare()
	err := d.sw.EachFlow(ctx, of.FlowFilter{}, func(s of.FlowStats) {
		if d.services.isLearned(s.Flow) {
			return
		}
		dump.found(s.Flow)
		if kind := cookieKind(s.Flow.Cookie >> 48 & 0xff); kind == cookieRule {
			d.hints[uint32(s.Flow.Cookie)] = s.Flow.Priority
		}
	})
	if err != nil {
		return 0, fmt.Errorf("reading the flows of the bridge: %w", err)
	}
	groups, err := d.sw.DumpGroups(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the groups of the bridge: %w", err)
	}
	return dump.end() + d.groups.compare(groups), nil
}

// Realise writes what differs between the wanted state and the switch, in one
// bundle, and returns once the switch has answered the barrier behind it: from
// then on every packet meets the new flows. With nothing to write it returns at
// once. On an error the switch is as it was before, or unknown; either way the
// next Realise finds out.
func (d *Datapath) Realise(ctx context.Context) (written int, err error) {
	if d.sw == nil {
		return 0, ErrNoSwitch
	}
	// Groups are there before the flows that use them, and go after them.
	changes := d.book.changes()
	mods, later := d.groups.changes()
	mods = slices.Grow(mods, len(changes)+len(later))
	for _, c := range changes {
		mods = append(mods, c.mod())
	}
	mods = append(append(mods, d.services.forget()...), later...)
	if len(mods) == 0 {
		return 0, nil
	}
	start := time.Now()
	if err := d.sw.Apply(ctx, mods); err != nil {
		if errors.Is(err, of.ErrOutcomeUnknown) {
			if _, auditErr := d.audit(ctx); auditErr != nil {
				err = errors.Join(err, auditErr)
			}
		}
		return 0, fmt.Errorf("writing %d changes of flows and groups: %w", len(mods), err)
	}
	d.book.written(changes)
	d.groups.written()
	clear(d.services.bygone)
	maps.Copy(d.stale, d.services.stale)
	clear(d.services.stale)
	d.stats.LastBundle, d.stats.LastMods = time.Since(start), len(mods)
	d.stats.Bundles++
	d.stats.FlowMods += uint64(len(mods))
	return len(mods), nil
}

// Pending is how many flows the next Realise may have to write, at most.
func (d *Datapath) Pending() int { return len(d.book.dirty) }

// Repair compares the switch with what was written, as somebody may have
// changed it by hand, and writes what is missing. It returns how many flows
// were not as they should have been.
func (d *Datapath) Repair(ctx context.Context) (int, error) {
	if d.sw == nil {
		return 0, ErrNoSwitch
	}
	// Whoever deletes a meter deletes the flows that use it.
	if err := d.setMeters(ctx); err != nil {
		return 0, err
	}
	wrong, err := d.audit(ctx)
	if err != nil {
		return 0, err
	}
	d.stats.Repaired += uint64(wrong)
	_, err = d.Realise(ctx)
	return wrong, err
}
