package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
)

// reviewPatience bounds the comparison before a cut-over. The generation at work
// waits meanwhile, and what is in force stays.
const reviewPatience = 20 * time.Second

// examplesShown is how many changes a person is shown in one line.
const examplesShown = 3

// foresight tells what a cut-over would change (plugin.Reviewer).
type foresight struct{ engine *engine }

// Review runs beside the engine, on what is in force at this moment.
func (f foresight) Review(ctx context.Context, after *policy.Layer) (plugin.Impact, error) {
	objects, before, err := f.engine.inForce(ctx)
	if err != nil {
		return plugin.Impact{}, err
	}
	patient, cancel := context.WithTimeout(ctx, reviewPatience)
	defer cancel()
	r, err := compare.Compare(patient, objects, before, replace(before, after.Module(), after), compare.Options{Limit: examplesShown})
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return plugin.Impact{}, fmt.Errorf("it was not done within %v, so much differs", reviewPatience)
	case err != nil:
		return plugin.Impact{}, err
	}
	return plugin.Impact{NewDenies: int(r.NewDenies), NewAllows: int(r.NewAllows), Examples: examples(r)}, nil
}

// inForce is what the node's policy is at this moment.
func (e *engine) inForce(ctx context.Context) (*inventory.Snapshot, []*policy.Layer, error) {
	var view policy.View
	err := e.ask(ctx, func() { view = e.view() })
	return view.Inventory, view.Layers, err
}

// replace puts a layer in the place of a module's; without one of that name it is
// one more.
func replace(layers []*policy.Layer, module string, by *policy.Layer) []*policy.Layer {
	out := []*policy.Layer{by}
	for _, l := range layers {
		if l.Module() != module {
			out = append(out, l)
		}
	}
	return out
}

func examples(r compare.Result) []string {
	var out []string
	for _, c := range r.Changes[:min(examplesShown, len(r.Changes))] {
		out = append(out, c.String())
	}
	return out
}
