package compare

import (
	"context"
	"net/netip"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// Judge tells what two policies say about single connections, many of them in a
// row. It belongs to one goroutine.
type Judge struct {
	c      *comparison
	places map[netip.Addr]whereabouts
	block  func(netip.Addr) inventory.BlockID
}

// whereabouts is the end that an address belongs to, and by which of its slots.
type whereabouts struct {
	end  *end
	slot slot
	node string // of a Pod, or the node itself
}

// NewJudge makes ready what Compare would compare.
func NewJudge(inv *inventory.Snapshot, before, after []*policy.Layer) (*Judge, error) {
	c, err := newComparison(inv, before, after, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	j := &Judge{c: c, places: map[netip.Addr]whereabouts{}, block: c.world.inv.BlockOf}
	for _, e := range c.ends {
		if e.kind == Outside {
			continue
		}
		for _, m := range e.members {
			for i, a := range m.addrs {
				j.places[a] = whereabouts{e, e.slots[i], m.node}
			}
		}
	}
	return j, nil
}

// Compare is the function of that name, about the same two policies.
func (j *Judge) Compare(ctx context.Context, o Options) (Result, error) {
	j.c.options, j.c.result = o.withDefaults(), Result{Ends: len(j.c.ends)}
	return j.c.run(ctx)
}

// Verdicts are Allow, Deny or Reject, before and after, also for a Pod and
// itself. They are what policy.Evaluate says, found by looking only at rules about
// the two ends.
func (j *Judge) Verdicts(p policy.Packet) (before, after abi.Action) {
	from, to := j.place(p.Source), j.place(p.Destination)
	if p.Source == p.Destination && from.end.kind == Pods && !p.ThroughService {
		return abi.Allow, abi.Allow
	}
	var out [2]abi.Action
	for i, s := range j.c.sides {
		rules := rulesOf{egress: s.relevant(abi.Egress, from.end, to.end, to.slot)}
		if from.end.kind != Nodes || from.node != to.node {
			rules.ingress = s.relevant(abi.Ingress, to.end, from.end, from.slot)
		}
		out[i] = s.outcome(rules, p).action
	}
	return out[0], out[1]
}

// place finds an address that may be nobody's.
func (j *Judge) place(a netip.Addr) whereabouts {
	if w, known := j.places[a]; known {
		return w
	}
	return whereabouts{end: &end{kind: Outside}, slot: slot{a.Is4(), j.block(a)}}
}
