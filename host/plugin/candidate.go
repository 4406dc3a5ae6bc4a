package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluice-net/sluice/host/recording"
	"github.com/sluice-net/sluice/host/sandbox"
)

// candidate is a generation that is being prepared, beside the running one if
// there is one: its process started, its module loaded, the state handed over,
// and everything that it emitted staged but not in force.
type candidate struct {
	*generation
	txn *transaction
	// base is the layer's count of commits that txn is staged on.
	base int
	err  error
}

// prepare makes a candidate, in a goroutine of its own: however long it takes,
// the running generation is served. It ends early when ctx does. Cancel ends ctx,
// and is called when the generation ends: what is left of a context in its parent
// would add up over reloads.
func (m *Module) prepare(ctx context.Context, cancel context.CancelFunc, image *image, base int) *candidate {
	g := &generation{image: image, cancel: cancel, tally: &m.tally, config: m.configuration(), started: m.now(), ring: recording.NewRing(m.options.RecordingBytes)}
	c := &candidate{generation: g, base: base}
	if c.err = m.bring(ctx, c); c.err != nil {
		if g.process != nil {
			g.end()
		}
		cancel()
	}
	return c
}

func (m *Module) bring(ctx context.Context, c *candidate) error {
	log := newLineLimiter(m.log.With("generation", c.number), &m.tally)
	process, err := m.supervisor.launcher.Start(ctx, sandbox.Options{
		Path:   m.options.SandboxPath,
		Limits: sandbox.Limits{MemoryMiB: c.limits.MemoryMiB},
		Log:    log.line,
	})
	if err != nil {
		return err
	}
	c.process = process
	if err := process.Load(c.wasm, m.options.LoadTimeout); err != nil {
		return err
	}
	select {
	case <-m.supervisor.synced:
	case <-process.Done():
		return process.PostMortem("waiting for the first objects")
	case <-ctx.Done():
		return ctx.Err()
	}
	if watch := m.options.Watch; watch != nil {
		if err := watch(ctx, m.spec.Name, c.watches()); err != nil {
			return fmt.Errorf("is not given a state to begin with: %w", err)
		}
	}
	feed, state := m.supervisor.store.open(c.resources)
	c.feed = feed
	if c.txn, err = c.feedSnapshot(m.layer, state); err != nil {
		return err
	}
	// What happened meanwhile, so that little is left for the moment of the
	// cut-over, when the running generation waits.
	return c.catchUp()
}

// watches are the resources that the candidate is told of, sorted.
func (c *candidate) watches() []string { return slices.Sorted(maps.Keys(c.resources)) }

// catchUp hands over what is pending now, and not what comes after: that would
// have no end.
func (c *candidate) catchUp() error {
	for left := c.feed.length(); left > 0; {
		events := c.feed.take()
		if len(events) == 0 {
			break
		}
		left -= len(events)
		if err := c.feedEvents(c.txn, events); err != nil {
			return err
		}
	}
	return nil
}

// cutOver puts in force what the candidate emitted: one transaction, which holds
// the difference to what is in force. It is called by the module's goroutine, so
// the running generation does nothing meanwhile. Everything that was handed to
// that one is handed to this one first: the cut-over never goes back in time.
func (m *Module) cutOver(ctx context.Context, c *candidate) error {
	if err := c.catchUp(); err != nil {
		return err
	}
	if m.inherit() || c.base != m.commits || c.txn.used {
		if err := c.txn.restage(); err != nil {
			return err
		}
		c.base = m.commits
	}
	if err := m.review(ctx, c); err != nil {
		return err
	}
	return m.commit(ctx, c.txn)
}

// commit hands a transaction to the agent's writer, or for a shadow only keeps
// what it says.
func (m *Module) commit(ctx context.Context, t *transaction) error {
	t.used = true
	if m.spec.Mode == Shadow {
		m.layer.Commit(t.txn)
	} else if err := m.options.Committer.Commit(ctx, m.layer, t.txn); err != nil {
		return &notCommitted{err}
	}
	m.commits++
	m.tally.committed(m.now())
	return nil
}

// notCommitted is a transaction that the module made well and that the host
// could not put in force.
type notCommitted struct{ err error }

func (e *notCommitted) Error() string {
	return "made a transaction that could not be put in force, and nothing of it was: " + e.err.Error()
}

func (e *notCommitted) Unwrap() error { return e.err }

// hopeless says that loading the same bytes again cannot succeed.
func hopeless(err error) bool {
	var f *sandbox.Failure
	return errors.As(err, &f) && f.Kind == sandbox.FaultLoad
}
