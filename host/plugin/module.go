package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// Module is one module under supervision: one goroutine (run) that owns all that
// changes, except what is under mu. A second one prepares a candidate, and a
// third watches the file.
type Module struct {
	supervisor *Supervisor
	options    Options
	spec       Spec
	limits     abi.Limits // that the operator grants
	layer      *policy.Layer
	log        *slog.Logger
	now        func() time.Time
	tally      tally

	mu     sync.Mutex
	view   view
	former *Module // what is in force until this one takes over; usually nil
	config json.RawMessage

	cancel  context.CancelFunc
	workers sync.WaitGroup

	readings    chan reading // replaced by read
	endReading  context.CancelFunc
	updates     chan update
	candidates  chan *candidate
	reconfigure chan struct{}
	acceptances chan acceptance

	numbers    int    // generations read so far
	newest     string // digest of the last reading
	unreadable bool   // the file could not be read the last time
	// misconfigured is what was read last, if all that is wrong is that its schema
	// does not allow the configuration.
	misconfigured []byte
	wanted        *image // should take over; nil when nothing new does
	attempts      int    // at wanted

	current  *generation // at work
	serving  *image      // the last that took over: what is started again when it dies
	previous *image      // what served before, to fall back on
	failures int         // of serving, in a row
	commits  int         // of the layer

	tookOver time.Time // when serving did
	rejected *image    // kept out until the file changes or the operator accepts it
	accepted string    // the digest that the operator accepted last

	inFlight  *flight    // the candidate that is being prepared
	pending   *candidate // ready, but the Committer could not
	startWhat *image     // to be prepared at startAt
	held      bool       // the Committer failed: events wait for againAt
	misses    int        // void transactions in a row

	startAt, cutAt, againAt *time.Timer

	tickAt *time.Timer
	timed  *generation // that tickAt is set for
}

// flight is a candidate on its way.
type flight struct {
	image    *image
	cancel   context.CancelFunc
	obsolete bool
}

func newModule(s *Supervisor, spec Spec, layer *policy.Layer, limits abi.Limits) *Module {
	m := &Module{
		supervisor:  s,
		options:     s.options,
		spec:        spec,
		limits:      limits,
		layer:       layer,
		log:         s.options.Logger.With("module", spec.Name),
		now:         time.Now,
		config:      slices.Clone(spec.Config),
		updates:     make(chan update),
		candidates:  make(chan *candidate),
		reconfigure: make(chan struct{}, 1),
		acceptances: make(chan acceptance),
		startAt:     stopped(),
		cutAt:       stopped(),
		againAt:     stopped(),
		tickAt:      stopped(),
	}
	m.view.Name, m.view.Order, m.view.State, m.view.Since = spec.Name, spec.Order, Waiting, m.now()
	m.view.Mode = spec.Mode
	return m
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// begin starts the module's goroutines.
func (m *Module) begin(ctx context.Context) {
	ctx, m.cancel = context.WithCancel(ctx)
	m.read(ctx)
	m.workers.Go(func() { m.run(ctx) })
}

// read begins to read the module's bytes from where the spec says, and ends any
// reading from elsewhere.
func (m *Module) read(ctx context.Context) {
	if m.endReading != nil {
		m.endReading()
	}
	ctx, m.endReading = context.WithCancel(ctx)
	m.readings = make(chan reading) // what is on its way from elsewhere is not heard
	spec, readings := m.spec, m.readings
	m.workers.Go(func() {
		switch {
		case spec.Fetch != nil:
			fetchModule(ctx, spec.Fetch, readings)
		case spec.Path != "":
			watchFile(ctx, spec.Path, readings)
		default:
			send(ctx, readings, reading{wasm: spec.Wasm})
		}
	})
}

// stop ends everything and waits for it. It is harmless to repeat.
func (m *Module) stop() {
	m.cancel()
	m.workers.Wait()
	if former := m.heirTo(); former != nil {
		former.stop()
	}
}

// configure takes a configuration that the generation in force understands.
func (m *Module) configure(config json.RawMessage) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.view.manifest != nil {
		if err := CheckConfig(m.view.manifest, config); err != nil {
			return err
		}
	}
	m.config = slices.Clone(config)
	m.wakeToConfigure()
	return nil
}

// wakeToConfigure has the running generation look at the configuration again.
func (m *Module) wakeToConfigure() {
	select {
	case m.reconfigure <- struct{}{}:
	default:
	}
}

func (m *Module) configuration() json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config
}

// run is the life of the module.
func (m *Module) run(ctx context.Context) {
	defer m.end()
	for {
		m.publish()
		m.keepTime()
		var (
			wake <-chan struct{}
			died <-chan struct{}
		)
		if m.current != nil {
			died = m.current.process.Done()
			if !m.held {
				wake = m.current.feed.wake
			}
		}
		select {
		case <-ctx.Done():
			return
		case r := <-m.readings:
			m.take(ctx, r)
		case c := <-m.candidates:
			m.arrived(ctx, c)
		case <-m.startAt.C:
			m.start(ctx)
		case <-m.cutAt.C:
			m.conclude(ctx, m.pending)
		case <-wake:
			m.serve(ctx)
		case <-m.againAt.C:
			m.serve(ctx)
		case <-m.tickAt.C:
			m.tick()
		case <-m.reconfigure:
			if wasm := m.misconfigured; wasm != nil {
				m.take(ctx, reading{wasm: wasm})
			}
			if m.current != nil {
				m.current.config, m.current.stale = m.configuration(), true
				m.serve(ctx)
			}
		case u := <-m.updates:
			m.update(ctx, u)
		case a := <-m.acceptances:
			m.accept(ctx, a)
		case <-died:
			m.crashed(m.current.process.PostMortem("waiting for events"))
		}
	}
}

func (m *Module) end() {
	for _, timer := range []*time.Timer{m.startAt, m.cutAt, m.againAt, m.tickAt} {
		timer.Stop()
	}
	if m.current != nil {
		m.current.end()
		m.current = nil
	}
	if m.pending != nil {
		m.pending.end()
		m.pending = nil
	}
	m.mu.Lock()
	m.view.State, m.view.Since, m.view.running = Stopped, m.now(), nil
	m.mu.Unlock()
	m.supervisor.changed.fire()
}

// pause is how long to wait after so many failures in a row.
func (m *Module) pause(failures int) time.Duration {
	d := m.options.RestartMin
	for range failures - 1 {
		if d *= 2; d >= m.options.RestartMax {
			return m.options.RestartMax
		}
	}
	return d
}

// serve gives the running generation what it has not heard yet.
func (m *Module) serve(ctx context.Context) {
	g := m.current
	if g == nil {
		return
	}
	m.unsettle()
	m.againAt.Stop()
	m.held = false
	var (
		t   *transaction
		err error
	)
	if g.stale {
		t, err = g.feedSnapshot(m.layer, g.feed.restart())
	} else {
		events := g.feed.take()
		if len(events) == 0 {
			return
		}
		t = begin(m.layer, false, &g.effective)
		err = g.feedEvents(t, events)
	}
	if err == nil {
		err = m.commit(ctx, t)
	}
	var (
		refused *void
		failed  *notCommitted
	)
	switch {
	case err == nil:
		g.stale, m.misses = false, 0
	case ctx.Err() != nil:
	case errors.As(err, &refused), errors.As(err, &failed):
		// The module believes to be in force what is not. It goes on, but from
		// the whole state: after the next event, or a pause.
		m.record(g.number, err)
		if refused != nil && m.onProbation() {
			m.saveRecording(g, err)
			m.goBack(err)
			return
		}
		g.stale = true
		m.held = failed != nil
		m.misses++
		m.againAt.Reset(m.pause(m.misses))
	default:
		m.crashed(err)
	}
}

// faultLine is the one line that a person gets to see.
func faultLine(module string, number int, err error) string {
	reason := strings.Join(strings.Fields(err.Error()), " ")
	return fmt.Sprintf("module %q generation %d: %s", module, number, reason)
}
