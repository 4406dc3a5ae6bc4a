package plugin

import (
	"context"
	"errors"
	"fmt"
)

// take looks at what was read from the module's file.
func (m *Module) take(ctx context.Context, r reading) {
	m.misconfigured = nil
	if r.err == nil {
		r.err = m.unpinned(r.wasm)
	}
	if r.err != nil {
		m.record(m.numbers+1, r.err)
		m.unreadable = true
		return
	}
	again := m.unreadable
	m.unreadable = false
	digest := digestOf(r.wasm)
	switch {
	case m.wanted != nil && m.wanted.digest == digest:
		return // on its way
	case m.rejected != nil && m.rejected.digest == digest:
		return // it was told why
	case m.serving != nil && m.serving.digest == digest:
		if m.newest != digest { // the file is again what serves
			m.newest = digest
			m.drop()
			m.letIn()
			m.forgive()
		} else if again {
			m.forgive()
		}
		m.reconcileConfig()
		return
	}
	i := &image{digest: digest, wasm: r.wasm}
	if digest != m.newest {
		m.numbers++
	}
	m.newest, i.number = digest, m.numbers
	err := i.verify(m.spec.Grant, m.limits)
	if i.resources != nil {
		m.mu.Lock()
		m.view.mayWatch = i.resources
		m.mu.Unlock()
	}
	if err == nil {
		if err = CheckConfig(i.manifest, m.configuration()); err != nil {
			m.misconfigured = r.wasm
		}
	}
	if err != nil {
		m.record(i.number, err)
		return
	}
	m.drop()
	m.letIn()
	m.wanted = i
	m.schedule(i)
	m.start(ctx)
}

// unpinned says that the bytes are not those that the operator wants.
func (m *Module) unpinned(wasm []byte) error {
	if want := m.spec.Digest; want != "" && digestOf(wasm) != want {
		return fmt.Errorf("is %s, and the operator has pinned %s: change the digest if the file is the right one", digestOf(wasm), want)
	}
	return nil
}

// drop forgets a newer generation that has not taken over.
func (m *Module) drop() {
	m.wanted, m.attempts = nil, 0
	m.startWhat = nil
	m.startAt.Stop()
	m.cutAt.Stop()
	if m.pending != nil {
		m.pending.end()
		m.pending = nil
	}
	if m.inFlight != nil {
		m.inFlight.obsolete = true
		m.inFlight.cancel()
	}
	if m.current == nil && m.serving != nil {
		m.schedule(m.serving)
		m.startAt.Reset(0)
	}
}

// schedule says what start starts.
func (m *Module) schedule(i *image) { m.startWhat = i }

// start prepares the candidate that was scheduled, unless one is on its way;
// then its arrival continues.
func (m *Module) start(ctx context.Context) {
	if m.inFlight != nil || m.startWhat == nil {
		return
	}
	i := m.startWhat
	m.startWhat = nil
	m.startAt.Stop()
	of, cancel := context.WithCancel(ctx)
	m.inFlight = &flight{image: i, cancel: cancel}
	base := m.commits
	m.workers.Go(func() {
		c := m.prepare(of, cancel, i, base)
		select { // an obsolete one arrives as well: start waits for that
		case m.candidates <- c:
		case <-ctx.Done():
			m.abandon(c)
		}
	})
}

// abandon ends a candidate that nobody waits for.
func (m *Module) abandon(c *candidate) {
	if c.err == nil {
		c.end()
	}
}

// arrived takes a candidate that has been prepared, or could not be.
func (m *Module) arrived(ctx context.Context, c *candidate) {
	obsolete := m.inFlight.obsolete
	m.inFlight = nil
	switch {
	case obsolete:
		m.abandon(c)
		m.start(ctx)
	case c.err != nil:
		if ctx.Err() == nil {
			m.saveRecording(c.generation, c.err)
		}
		m.failedToStart(ctx, c.image, c.err)
	default:
		m.conclude(ctx, c)
	}
}

// conclude lets a candidate take over.
func (m *Module) conclude(ctx context.Context, c *candidate) {
	if c == nil {
		return
	}
	m.pending = nil
	err := m.cutOver(ctx, c)
	var (
		failed *notCommitted
		over   *tooFar
	)
	switch {
	case err == nil:
		m.takeOver(ctx, c)
	case ctx.Err() != nil:
		c.end()
	case errors.As(err, &over):
		c.end()
		m.record(c.number, err)
		m.keepOut(c.image, err, false)
		m.wanted, m.attempts = nil, 0
		if m.current == nil { // it died meanwhile
			m.startAgain()
		}
	case errors.As(err, &failed):
		// It is not the module's fault, so the candidate stays ready.
		m.record(c.number, err)
		m.pending = c
		m.misses++
		m.cutAt.Reset(m.pause(m.misses))
	default:
		c.end()
		m.saveRecording(c.generation, err)
		m.failedToStart(ctx, c.image, err)
	}
}

// takeOver makes a candidate, whose transaction is in force, the running
// generation.
func (m *Module) takeOver(ctx context.Context, c *candidate) {
	old := m.current
	m.current = c.generation
	m.current.started = m.now()
	m.misses, m.held = 0, false
	m.againAt.Stop()
	if old != nil {
		old.end()
	}
	if m.serving != c.image {
		if m.serving != nil {
			m.tally.reloaded()
		}
		m.previous, m.serving, m.tookOver = m.serving, c.image, m.now()
		m.failures = 0
		m.forgive()
		m.log.Info("a generation took over", "generation", c.number, "version", c.manifest.Version, "digest", c.digest)
	} else {
		m.tally.restarted()
		m.log.Info("the generation was started again", "generation", c.number)
	}
	if m.wanted == c.image {
		m.wanted, m.attempts = nil, 0
	}
	// What one that is on its way watches is not to be taken from it. A generation that
	// is gone back to asks again.
	if unwatch := m.options.Unwatch; unwatch != nil && m.inFlight == nil {
		unwatch(m.spec.Name, c.watches())
	}
	if m.wanted != nil {
		m.schedule(m.wanted)
		m.start(ctx)
	}
	if string(c.config) != string(m.configuration()) {
		m.wakeToConfigure()
	}
}

// failedToStart decides what follows on a candidate that failed.
func (m *Module) failedToStart(ctx context.Context, i *image, err error) {
	if ctx.Err() != nil {
		return
	}
	m.record(i.number, err)
	if i != m.wanted {
		m.countFailure()
		m.startAgain()
		return
	}
	m.attempts++
	if hopeless(err) || m.attempts >= FailuresInARow && m.serving != nil {
		m.wanted = nil
	}
	switch {
	case m.current == nil && m.serving != nil: // it died meanwhile, and comes first
		m.startAgain()
	case m.wanted != nil:
		m.schedule(m.wanted)
		m.startAt.Reset(m.pause(m.attempts))
	}
}

// crashed takes note of the end of the running generation. What it put in force
// stays.
func (m *Module) crashed(err error) {
	g := m.current
	m.saveRecording(g, err)
	if m.onProbation() {
		m.record(g.number, err)
		m.goBack(err)
		return
	}
	m.current = nil
	m.held = false
	m.againAt.Stop()
	g.end()
	m.record(g.number, err)
	if m.now().Sub(g.started) >= m.options.StableAfter {
		m.failures = 0
	}
	m.countFailure()
	if m.inFlight == nil && m.pending == nil {
		m.startAgain()
	}
}

// countFailure counts a failure of the generation that serves, and gives it up
// for the one before when it has failed too often.
func (m *Module) countFailure() {
	m.failures++
	if m.failures >= FailuresInARow && m.previous != nil {
		m.log.Error("the generation failed too often: going back to the one before it",
			"generation", m.serving.number, "failures", m.failures, "back to", m.previous.number)
		m.serving, m.previous = m.previous, nil
		m.failures = 1
	}
}

// startAgain schedules the generation that serves, after a pause.
func (m *Module) startAgain() {
	m.schedule(m.serving)
	m.startAt.Reset(m.pause(max(m.failures, 1)))
}
