package compare

import (
	"context"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// Options of Compare.
type Options struct {
	Limit int // of listed changes; default 1000
	Names int // of one end; default 3
}

func (o Options) withDefaults() Options {
	if o.Limit == 0 {
		o.Limit = 1000
	}
	if o.Names == 0 {
		o.Names = 3
	}
	return o
}

// Compare says what becomes different for the objects of the inventory when the
// layers before are replaced by those after. Both lists are all that is in force
// at their time, in any order. The layers must not change meanwhile
// (policy.Layer.Freeze). An error is that of ctx.
func Compare(ctx context.Context, inv *inventory.Snapshot, before, after []*policy.Layer, o Options) (Result, error) {
	c, err := newComparison(inv, before, after, o.withDefaults())
	if err != nil {
		return Result{}, err
	}
	return c.run(ctx)
}

func (c *comparison) run(ctx context.Context) (Result, error) {
	var receivers []*end // about whose ingress something differs
	for _, e := range c.ends {
		if c.touched(abi.Ingress, e) {
			receivers = append(receivers, e)
		}
	}
	for _, from := range c.ends {
		if err := ctx.Err(); err != nil {
			return c.result, err
		}
		to := receivers
		if c.touched(abi.Egress, from) {
			to = c.ends
		}
		for _, to := range to {
			if c.concerned(from, to) {
				c.judgePair(from, to)
			}
		}
	}
	return c.result, nil
}

// comparison is one call of Compare.
type comparison struct {
	options Options
	inv     *inventory.Snapshot
	world   *world
	sides   [2]*side // before and after
	ends    []*end
	result  Result
}

func newComparison(inv *inventory.Snapshot, before, after []*policy.Layer, o Options) (*comparison, error) {
	w := newWorld(inv)
	sides := [2]*side{newSide(inv, before), newSide(inv, after)}
	if err := w.resolve(sides[0], sides[1]); err != nil {
		return nil, err
	}
	ends := w.ends()
	c := &comparison{options: o, inv: inv, world: w, sides: sides, ends: ends}
	c.result.Ends = len(ends)
	return c, nil
}

// touched says whether something that differs is about the end and somebody.
func (c *comparison) touched(d abi.Direction, e *end) bool {
	return e.kind == Pods && len(c.sides[0].differing[d][e.class])+len(c.sides[1].differing[d][e.class]) > 0
}

// concerned says whether something that differs is about the pair.
func (c *comparison) concerned(from, to *end) bool {
	for _, s := range c.sides {
		if s.changed(abi.Egress, from, to) || s.changed(abi.Ingress, to, from) {
			return true
		}
	}
	return false
}

// judgePair looks at all that may pass from one end to the other.
func (c *comparison) judgePair(from, to *end) {
	sample, pairs := pick(from, to)
	if pairs == 0 {
		return
	}
	c.result.Judged++
	var changes []Change
	for i, source := range from.slots {
		for j, destination := range to.slots {
			if source.four != destination.four {
				continue
			}
			found := c.judgeSlots(from, to, source, destination, policy.Packet{
				Source: sample.from.addrs[i], Destination: sample.to.addrs[j],
			})
			changes = mergeFamilies(changes, found, source.four)
		}
	}
	kinds := map[Kind]bool{}
	for _, change := range changes {
		change.From, change.To, change.Pairs = from.show(c.options.Names), to.show(c.options.Names), pairs
		kinds[change.Kind] = true
		if len(c.result.Changes) >= c.options.Limit {
			c.result.Left++
			continue
		}
		// Evaluate looks at every rule: it is asked about what is shown only.
		change.Before = policy.Evaluate(c.sides[0].view, change.Sample)
		change.After = policy.Evaluate(c.sides[1].view, change.Sample)
		c.result.Changes = append(c.result.Changes, change)
	}
	for kind := range kinds {
		switch kind {
		case NewAllow:
			c.result.NewAllows += pairs
		case NewDeny:
			c.result.NewDenies += pairs
		case Answer:
			c.result.Answers += pairs
		}
	}
}
