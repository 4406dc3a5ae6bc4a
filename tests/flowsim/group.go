package flowsim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// DumpGroups lists the groups by id.
func (s *Switch) DumpGroups(context.Context) ([]of.GroupEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []of.GroupEntry
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[id]
		g.Buckets = slices.Clone(g.Buckets)
		out = append(out, g)
	}
	return out, nil
}

// hasGroups refuses actions that use a group that is not there.
func (s *Switch) hasGroups(what fmt.Stringer, actions of.Actions) error {
	list, err := actions.Decode()
	if err != nil {
		return fmt.Errorf("flowsim: %s: %w", what, err)
	}
	for _, a := range list {
		if g, ok := a.(of.GroupAction); ok {
			if _, there := s.groups[g.ID]; !there {
				return fmt.Errorf("flowsim: %s uses group %d, which is not there", what, g.ID)
			}
		}
	}
	return nil
}

// group does one of the buckets of a group: which one depends on the source port,
// so that a test can meet them all.
func (w *way) group(flow of.Flow, id uint32) error {
	g, there := w.s.groups[id]
	if !there || len(g.Buckets) == 0 {
		return fmt.Errorf("flowsim: flow %s: group %d has no buckets", flow, id)
	}
	actions, err := g.Buckets[int(w.tuple().sourcePort)%len(g.Buckets)].Actions.Decode()
	if err != nil {
		return fmt.Errorf("flowsim: group %d: %w", id, err)
	}
	w.inside++
	defer func() { w.inside-- }()
	next, err := w.act(flow, actions)
	if err != nil || next == 0 {
		return err
	}
	return w.through(next)
}
