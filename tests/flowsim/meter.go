package flowsim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// DumpMeters lists the meters by id.
func (s *Switch) DumpMeters(context.Context) ([]of.MeterEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []of.MeterEntry
	for _, id := range slices.Sorted(maps.Keys(s.meters)) {
		out = append(out, s.meters[id])
	}
	return out, nil
}

// AddMeter adds a meter. Nothing is measured: what passes, passes.
func (s *Switch) AddMeter(_ context.Context, m of.MeterEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Meterless {
		const outOfMeters = 10
		return &of.Error{Type: of.TypeMeterModFailed, Code: outOfMeters}
	}
	if _, there := s.meters[m.ID]; there {
		return of.ErrMeterExists
	}
	s.meters[m.ID] = m
	return nil
}

// ModifyMeter replaces a meter.
func (s *Switch) ModifyMeter(_ context.Context, m of.MeterEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.meters[m.ID]; !there {
		return of.ErrUnknownMeter
	}
	s.meters[m.ID] = m
	return nil
}

// hasMeters refuses a flow that uses a meter that is not there.
func (s *Switch) hasMeters(f of.Flow) error {
	actions, err := f.Actions.Decode()
	if err != nil {
		return fmt.Errorf("flowsim: flow %s: %w", f, err)
	}
	for _, a := range actions {
		if c, ok := a.(of.Controller); ok && c.MeterID != 0 {
			if _, there := s.meters[c.MeterID]; !there {
				return fmt.Errorf("flowsim: flow %s uses meter %d, which is not there", f, c.MeterID)
			}
		}
	}
	return nil
}
