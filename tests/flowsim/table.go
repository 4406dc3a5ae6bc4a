package flowsim

import (
	"cmp"
	"fmt"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// table is one flow table, decoded.
type table struct {
	number  uint8
	entries []entry
	conj    map[uint32][]entry // by the conj_id that they match
}

type entry struct {
	flow    of.Flow
	clauses []of.Clause
	actions []of.Action
	conjs   []of.ConjunctionAction // if the flow is clauses of conjunctions
}

func (t *table) add(f of.Flow) error {
	actions, err := f.Actions.Decode()
	if err != nil {
		return fmt.Errorf("flowsim: flow %s: %w", f, err)
	}
	e := entry{flow: f, clauses: f.Match.Clauses(), actions: actions}
	for _, a := range actions {
		if c, ok := a.(of.ConjunctionAction); ok {
			e.conjs = append(e.conjs, c)
		}
	}
	if len(e.conjs) > 0 && len(e.conjs) != len(actions) {
		return fmt.Errorf("flowsim: flow %s mixes conjunctions with other actions", f)
	}
	for _, c := range e.clauses {
		if c.Field() == of.ConjID {
			if t.conj == nil {
				t.conj = map[uint32][]entry{}
			}
			id, _ := c.Uint64()
			t.conj[uint32(id)] = append(t.conj[uint32(id)], e)
			return nil
		}
	}
	t.entries = append(t.entries, e)
	return nil
}

func (t *table) sort() {
	slices.SortStableFunc(t.entries, func(a, b entry) int { return -cmp.Compare(a.flow.Priority, b.flow.Priority) })
}

// find is the flow that a packet meets, nil if none (ovs-actions(7),
// conjunction: the flows of one priority are looked at together).
func (t *table) find(p *packet, free []of.Field) (*entry, error) {
	for first := 0; first < len(t.entries); {
		end := first
		for end < len(t.entries) && t.entries[end].flow.Priority == t.entries[first].flow.Priority {
			end++
		}
		found, err := t.findAt(p, t.entries[first:end], free)
		if found != nil || err != nil {
			return found, err
		}
		first = end
	}
	return nil, nil
}

func (t *table) findAt(p *packet, level []entry, free []of.Field) (*entry, error) {
	var found []*entry
	met := map[uint32]uint64{}
	for i := range level {
		e := &level[i]
		if !p.matches(e.clauses) {
			continue
		}
		if len(e.conjs) == 0 {
			found = append(found, e)
			continue
		}
		for _, c := range e.conjs {
			met[c.ID] |= 1 << c.Clause
			if bitsSet(met[c.ID]) == int(c.Clauses) {
				hits, err := t.whole(p, c.ID, e.flow.Priority)
				if err != nil {
					return nil, err
				}
				found = append(found, hits...)
			}
		}
	}
	for _, other := range found[min(1, len(found)):] {
		if !sameEffect(other, found[0], free) {
			return nil, fmt.Errorf("flowsim: a packet matches two flows of one priority that differ: %s and %s", found[0].flow, other.flow)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found[0], nil
}

// sameEffect compares what two flows do, apart from what they write into free
// registers.
func sameEffect(a, b *entry, free []of.Field) bool {
	if a.flow.Goto != b.flow.Goto {
		return false
	}
	bound := func(e *entry) of.Actions {
		var kept []of.Action
		for _, action := range e.actions {
			if set, ok := action.(of.SetFieldAction); !ok || !slices.Contains(free, set.Clause.Field()) {
				kept = append(kept, action)
			}
		}
		return of.Do(kept...)
	}
	return a.flow.Actions == b.flow.Actions || bound(a) == bound(b)
}

// whole finds what a complete conjunction does.
func (t *table) whole(p *packet, id uint32, priority uint16) ([]*entry, error) {
	var out []*entry
	for i := range t.conj[id] {
		e := &t.conj[id][i]
		if e.flow.Priority != priority {
			return nil, fmt.Errorf("flowsim: conjunction %d has its clauses at priority %d and its flow at %d", id, priority, e.flow.Priority)
		}
		if p.matches(withoutConj(e.clauses)) {
			out = append(out, e)
		}
	}
	return out, nil
}

func withoutConj(clauses []of.Clause) []of.Clause {
	var out []of.Clause
	for _, c := range clauses {
		if c.Field() != of.ConjID {
			out = append(out, c)
		}
	}
	return out
}

func bitsSet(mask uint64) (n int) {
	for ; mask != 0; mask &= mask - 1 {
		n++
	}
	return n
}
