package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// bundleTimeout bounds one bundle, of up to some 100,000 flows; larger ones have a
// second more for each bundleRate. (A million CIDRs are two million flows.) Open
// vSwitch itself drops a bundle after 10 s of silence.
const (
	bundleTimeout = 30 * time.Second
	bundleRate    = 20_000
)

// engine is the single writer of the node.
type engine struct {
	log   *slog.Logger
	tasks chan task

	// Owned by the goroutine of run.
	inv      *inventory.Inventory
	dp       *datapath.Datapath
	layers   map[string]*policy.Layer
	services *services           // nil: left alone
	waiting  map[string]struct{} // modules that must commit before anything is written
	synced   bool                // the source has delivered a complete list
	ready    chan struct{}       // closed once the node is realised for the first time
	opened   bool
	lastErr  error          // of the last attempt to write
	conn     *openflow.Conn // nil while there is none

	// Safe for use by others.
	stale   *stale
	reports *reports
}

// task is a message to the engine.
type task struct {
	// change alters what is wanted. An error ends the task; nothing changed.
	change func() error
	// settle hears, in the engine's goroutine, how writing went, and says what
	// the sender is told: it takes the change back, or makes it final.
	settle func(error) error
	// alone asks for a bundle of its own, so that a change the switch refuses
	// takes nobody else's with it.
	alone bool
	done  chan error
}

func newEngine(log *slog.Logger, mustCommit []string, limits datapath.Limits) *engine {
	inv := inventory.New()
	e := &engine{
		log: log, tasks: make(chan task, 64), inv: inv,
		dp:     datapath.New(datapath.Options{Inventory: inv, Logger: log, Limits: limits}),
		layers: map[string]*policy.Layer{}, waiting: map[string]struct{}{}, ready: make(chan struct{}), stale: newStale(), reports: newReports(),
	}
	for _, m := range mustCommit {
		e.waiting[m] = struct{}{}
	}
	return e
}

// run owns the state until ctx ends.
func (e *engine) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-e.tasks:
			e.batch(ctx, first)
		}
	}
}

// maxTogether bounds how long the first of a batch waits for the others.
const maxTogether = 256

// batch makes all changes that have arrived, writes them in one bundle and
// tells everybody.
func (e *engine) batch(ctx context.Context, first task) {
	var together []task
	next, more := first, true
	for more && !next.alone {
		if err := next.change(); err != nil {
			next.done <- err
		} else {
			together = append(together, next)
		}
		next, more = e.poll(len(together))
	}
	e.finish(ctx, together)
	if !more {
		return
	}
	if err := next.change(); err != nil {
		next.done <- err
		return
	}
	e.finish(ctx, []task{next})
}

func (e *engine) finish(ctx context.Context, tasks []task) {
	if len(tasks) == 0 {
		return
	}
	err := e.realise(ctx)
	for _, t := range tasks {
		if t.settle != nil {
			t.done <- t.settle(err)
		} else {
			t.done <- err
		}
	}
}

func (e *engine) poll(have int) (task, bool) {
	if have >= maxTogether {
		return task{}, false
	}
	select {
	case t := <-e.tasks:
		return t, true
	default:
		return task{}, false
	}
}

// realise writes what differs, unless the node is still held.
func (e *engine) realise(ctx context.Context) error {
	if !e.synced || len(e.waiting) > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bundleTimeout+time.Duration(e.dp.Pending()/bundleRate)*time.Second)
	defer cancel()
	_, err := e.dp.Realise(ctx)
	e.lastErr = err
	switch {
	case errors.Is(err, datapath.ErrNoSwitch):
		// Remembered: written as soon as there is a switch.
		return err
	case err != nil:
		e.log.Error("the bridge did not take the change; what was in force stays", "error", err)
		return err
	}
	e.stale.add(e.dp.TakeStale())
	if !e.opened {
		e.opened = true
		close(e.ready)
	}
	return nil
}

// do sends a task to the engine and waits until it is settled.
func (e *engine) do(ctx context.Context, t task) error {
	t.done = make(chan error, 1)
	select {
	case e.tasks <- t:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask runs a read in the engine.
func (e *engine) ask(ctx context.Context, read func()) error {
	return e.do(ctx, task{
		change: func() error { read(); return nil },
		settle: func(error) error { return nil },
	})
}

// remembered forgives that there is no switch at the moment: what is wanted is
// written as soon as there is one.
func remembered(err error) error {
	if errors.Is(err, datapath.ErrNoSwitch) {
		return nil
	}
	return err
}

// Commit brings a module's transaction into force: it is part of the layer once
// the switch has it, and not before. On an error nothing has changed.
func (e *engine) Commit(ctx context.Context, layer *policy.Layer, txn *policy.Txn) error {
	if err := txn.Check(); err != nil {
		return err
	}
	delta, module := txn.Delta(), layer.Module()
	var before policy.Delta
	var held bool
	var former *policy.Layer
	return e.do(ctx, task{
		alone: true,
		change: func() error {
			before = e.dp.Inverse(delta)
			if err := e.dp.Commit(delta); err != nil {
				return err
			}
			_, held = e.waiting[module]
			former = e.layers[module]
			e.layers[module] = layer
			delete(e.waiting, module)
			return nil
		},
		settle: func(err error) error {
			if err = remembered(err); err == nil {
				layer.Commit(txn)
				e.reports.take(module, txn.Reports())
				return nil
			}
			if undoErr := e.dp.Restore(before); undoErr != nil {
				e.log.Error("taking a transaction back", "module", module, "error", undoErr)
			}
			// The node goes on waiting for the module: what its first commit was
			// to close must not be opened by somebody else's next one.
			if held {
				e.waiting[module] = struct{}{}
			}
			if e.layers[module] = former; former == nil {
				delete(e.layers, module)
			}
			return err
		},
	})
}

// AttachPod wires a Pod and returns once its policy is in force.
func (e *engine) AttachPod(ctx context.Context, p datapath.LocalPod) error {
	if err := e.waitReady(ctx); err != nil {
		return err
	}
	return e.do(ctx, task{
		change: func() error {
			e.dp.PutPod(p)
			e.services.attach(p.Namespace, p.Name, p.Addresses)
			e.dp.Refresh()
			return nil
		},
		settle: func(err error) error {
			if err != nil {
				e.dp.DeletePod(p.Namespace, p.Name)
				e.services.attach(p.Namespace, p.Name, nil)
				e.dp.Refresh()
			}
			return err
		},
	})
}

// ReleasePod takes the flows away that lead to a Pod, and leaves those for what
// it sends.
func (e *engine) ReleasePod(ctx context.Context, namespace, name string) error {
	return e.do(ctx, task{
		change: func() error {
			for _, p := range e.dp.Pods() {
				if p.Namespace == namespace && p.Name == name {
					p.SendsOnly = true
					e.dp.PutPod(p)
				}
			}
			return nil
		},
		settle: remembered,
	})
}

// DetachPod takes a Pod's flows away.
func (e *engine) DetachPod(ctx context.Context, namespace, name string) error {
	return e.do(ctx, task{
		change: func() error {
			e.dp.DeletePod(namespace, name)
			e.services.attach(namespace, name, nil)
			e.dp.Refresh()
			return nil
		},
		settle: remembered,
	})
}

// Synced says that the source has delivered its first complete list: nothing is
// written before.
func (e *engine) Synced(ctx context.Context) error {
	return e.do(ctx, task{change: func() error { e.synced = true; return nil }, settle: remembered})
}

// Await names the modules that must commit before anything is written, in place of
// those named before. Once the node is open it changes nothing.
func (e *engine) Await(ctx context.Context, modules []string) error {
	return e.do(ctx, task{
		change: func() error {
			if e.opened {
				return nil
			}
			clear(e.waiting)
			for _, m := range modules {
				if e.layers[m] == nil {
					e.waiting[m] = struct{}{}
				}
			}
			return nil
		},
		settle: remembered,
	})
}

// waitReady refuses while the node is held, naming what it waits for.
func (e *engine) waitReady(ctx context.Context) error {
	select {
	case <-e.ready:
		return nil
	default:
	}
	var why error
	if err := e.ask(ctx, func() { why = e.held() }); err != nil {
		return err
	}
	return why
}

// held says why the node is not open, or nil.
func (e *engine) held() error {
	switch {
	case e.opened:
		return nil
	case !e.synced:
		return errors.New("the agent has not read all objects yet; try again")
	case len(e.waiting) > 0:
		for m := range e.waiting {
			return fmt.Errorf("module %q has not committed yet; `sluicectl status` shows why", m)
		}
	}
	return fmt.Errorf("the bridge is not programmed yet: %w", e.lastErr)
}

// SetNodeAddresses tells which addresses are the node's own.
func (e *engine) SetNodeAddresses(ctx context.Context, addrs []netip.Addr) error {
	return e.do(ctx, task{
		change: func() error { e.dp.SetNodeAddresses(addrs); return nil },
		settle: remembered,
	})
}
