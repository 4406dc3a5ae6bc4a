package flowsim

import (
	"context"
	"fmt"
	"sync"

	of "github.com/sluice-net/sluice/host/openflow"
)

// Switch holds flow tables. It is safe for use by several goroutines.
type Switch struct {
	mu      sync.Mutex
	tables  map[uint8]*table
	flows   map[of.FlowKey]of.Flow
	meters  map[uint32]of.MeterEntry
	groups  map[uint32]of.GroupEntry
	zones   map[uint16][]*connection
	Written int // flow mods so far
	// Free are registers that only say who decided: two flows of one priority that
	// match a packet may differ in what they write there.
	Free []of.Field
	// Meterless is a datapath that has no meters.
	Meterless bool
	Refuse    error // if not nil, Apply fails with it and changes nothing
}

// New makes an empty switch.
func New() *Switch {
	return &Switch{tables: map[uint8]*table{}, flows: map[of.FlowKey]of.Flow{}, meters: map[uint32]of.MeterEntry{}, groups: map[uint32]of.GroupEntry{}, zones: map[uint16][]*connection{}}
}

// Apply takes a bundle.
func (s *Switch) Apply(_ context.Context, mods []of.Mod) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Refuse != nil {
		return s.Refuse
	}
	for _, m := range mods {
		if err := s.apply(m); err != nil {
			return err
		}
	}
	s.Written += len(mods)
	s.tables = map[uint8]*table{}
	return nil
}

// EachFlow hands over all flows; filters are not needed by anybody here.
func (s *Switch) EachFlow(_ context.Context, _ of.FlowFilter, each func(of.FlowStats)) error {
	for _, f := range s.Flows() {
		each(of.FlowStats{Flow: f})
	}
	return nil
}

// Flows are all flows by key: a copy.
func (s *Switch) Flows() map[of.FlowKey]of.Flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[of.FlowKey]of.Flow, len(s.flows))
	for k, f := range s.flows {
		out[k] = f
	}
	return out
}

// Put adds a flow behind everybody's back.
func (s *Switch) Put(f of.Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flows[f.Key()] = f
	s.tables = map[uint8]*table{}
}

// Remove removes a flow behind everybody's back.
func (s *Switch) Remove(k of.FlowKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flows, k)
	s.tables = map[uint8]*table{}
}

func (s *Switch) table(n uint8) (*table, error) {
	if t := s.tables[n]; t != nil {
		return t, nil
	}
	t := &table{number: n}
	for _, f := range s.flows {
		if f.Table == n {
			if err := t.add(f); err != nil {
				return nil, err
			}
		}
	}
	t.sort()
	s.tables[n] = t
	return t, nil
}

func (s *Switch) apply(m of.Mod) error {
	if f, ok := m.Flow(); ok {
		if err := s.hasMeters(f); err != nil {
			return err
		}
		if err := s.hasGroups(f, f.Actions); err != nil {
			return err
		}
		s.flows[f.Key()] = f
		return nil
	}
	if key, ok := m.Deletes(); ok {
		delete(s.flows, key)
		return nil
	}
	if known, err := m.ChangeGroups(s.groups); known {
		return err
	}
	if filter, ok := m.DeletesWhere(); ok {
		for key, f := range s.flows {
			selected, simulated := filter.Selects(f)
			if !simulated {
				return fmt.Errorf("flowsim: %s is not simulated", m)
			}
			if selected {
				delete(s.flows, key)
			}
		}
		return nil
	}
	return fmt.Errorf("flowsim: %s is not simulated", m)
}
