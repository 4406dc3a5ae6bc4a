package plugin

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-net/sluice/abi"
)

// State of a module.
type State string

// The states.
const (
	Waiting    State = "waiting"    // the file has not been read yet
	Loading    State = "loading"    // the first generation is being loaded
	Running    State = "running"    // a generation is at work; another may be loading beside it
	Restarting State = "restarting" // no generation is at work; one is being, or about to be, started again
	Failed     State = "failed"     // nothing can be loaded until the file changes
	Stopped    State = "stopped"    // the module was removed or the supervisor closed
)

// Status of one module.
type Status struct {
	Name  string
	Order int
	Mode  Mode
	State State
	Since time.Time // in this state

	Generation int    // at work, or last at work; 0: none was yet
	Digest     string // of its bytes, "sha256:..."
	Version    string // of its manifest
	Newest     int    // the last generation that was read; above Generation if it is loading or has failed
	NotGranted []string

	// LastError is one line with the module, the generation and the reason. It
	// stays until a newer generation takes over.
	LastError   string
	LastErrorAt time.Time
	// Recording is the file with the last batches of the generation that failed
	// last.
	Recording string
	// Rejected is the generation that is kept out, or was taken back; nil: none is.
	Rejected  *Rejection
	Rollbacks uint64

	PID         int           // of the sandbox; 0: there is none
	RSS         int64         // bytes resident of the sandbox
	CPU         time.Duration // processor time of the sandbox
	Batches     uint64        // calls of the module
	Requests    uint64        // that it emitted
	Refused     uint64        // calls of emit that were answered with an error
	LastRefusal string        // why, of the latest
	Commits     uint64
	LastCommit  time.Time
	Restarts    uint64
	Reloads     uint64
	LastBatch   time.Duration // how long the latest call took
	LogDropped  uint64        // lines over LogLinesPerSecond

	Rules, Sets, Addresses int // in force
}

// tally counts for all generations of a module.
type tally struct {
	mu sync.Mutex
	counts
}

type counts struct {
	batches, requests, refused, commits, restarts, reloads, rollbacks, logDropped uint64
	lastBatch                                                                     time.Duration
	lastCommit                                                                    time.Time
	lastRefusal                                                                   string
}

func (t *tally) batch(took time.Duration, requests, refused int, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.batches++
	t.requests += uint64(requests)
	t.refused += uint64(refused)
	t.lastBatch = took
	if refused > 0 && why != nil {
		t.lastRefusal = why.Error()
	}
}

func (t *tally) committed(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.commits++
	t.lastCommit = at
}

func (t *tally) droppedLine() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logDropped++
}

func (t *tally) restarted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restarts++
}

func (t *tally) reloaded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reloads++
}

func (t *tally) rolledBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rollbacks++
}

func (t *tally) read() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Status of the module. It waits for nothing that the module does.
func (m *Module) Status() Status {
	m.mu.Lock()
	s, running, former := m.view.Status, m.view.running, m.former
	m.mu.Unlock()
	if former != nil {
		return former.statusUntil(s)
	}
	c := m.tally.read()
	s.Batches, s.Requests, s.Refused, s.LastRefusal = c.batches, c.requests, c.refused, c.lastRefusal
	s.Commits, s.LastCommit, s.Restarts, s.Reloads = c.commits, c.lastCommit, c.restarts, c.reloads
	s.Rollbacks = c.rollbacks
	s.LastBatch, s.LogDropped = c.lastBatch, c.logDropped
	size := m.layer.Size()
	s.Rules, s.Sets, s.Addresses = size.Rules, size.Sets, size.Addresses
	if running != nil {
		if usage, err := running.process.Usage(); err == nil {
			s.PID, s.RSS, s.CPU = running.process.PID(), usage.RSS, usage.CPU
		}
	}
	return s
}

// view is what the module's goroutine shows to others.
type view struct {
	Status
	running   *generation     // only its process and feed may be used
	manifest  *abi.Manifest   // of what serves; nil: nothing does yet
	resources map[string]bool // that the generation that serves is told of
	mayWatch  map[string]bool // that the one read last would be
	// quiet means that, as far as the module's goroutine knows, there is nothing
	// left to do but wait for events.
	quiet bool
}

// publish shows what has become of the module.
func (m *Module) publish() {
	state := m.state()
	m.mu.Lock()
	if v := &m.view; v.State != state {
		v.State, v.Since = state, m.now()
	}
	m.view.running = m.current
	m.view.Newest = m.numbers
	m.view.NotGranted = nil
	if m.serving != nil {
		m.view.Generation, m.view.Digest, m.view.Version = m.serving.number, m.serving.digest, m.serving.manifest.Version
		m.view.NotGranted, m.view.manifest = m.serving.notGranted, m.serving.manifest
		m.view.resources = m.serving.resources
	}
	busy := m.inFlight != nil || m.pending != nil || m.wanted != nil || m.startWhat != nil
	m.view.quiet = !busy && (m.current == nil || !m.current.stale)
	m.mu.Unlock()
	m.supervisor.changed.fire()
}

func (m *Module) state() State {
	tried := m.failures > 0 || m.attempts > 0
	switch {
	case m.current != nil:
		return Running
	case m.serving != nil || m.startWhat != nil && tried || m.inFlight != nil && tried:
		return Restarting
	case m.inFlight != nil || m.pending != nil || m.startWhat != nil:
		return Loading
	case m.numbers > 0 || m.unreadable:
		return Failed
	}
	return Waiting
}

// unsettle says that the module is at work. It is called before events are taken
// from the feed, so that settled, which looks at the feed first, does not find
// both the feed empty and the module quiet.
func (m *Module) unsettle() {
	m.mu.Lock()
	m.view.quiet = false
	m.mu.Unlock()
}

// Behind returns the resources of which some enforced module has not handled
// everything that was delivered, sorted. It answers at once.
func (s *Supervisor) Behind() []string {
	behind := map[string]struct{}{}
	for _, m := range s.inOrder() {
		if done, lastError := m.settled(); m.spec.Mode == Shadow || done && lastError == "" {
			continue
		}
		m.mu.Lock()
		for resource := range m.view.mayWatch {
			behind[resource] = struct{}{}
		}
		m.mu.Unlock()
	}
	return slices.Sorted(maps.Keys(behind))
}

// settled reports whether everything that was delivered has been handled, or
// cannot be; then lastError says why.
func (m *Module) settled() (done bool, lastError string) {
	m.mu.Lock()
	running := m.view.running
	m.mu.Unlock()
	if running != nil && running.feed.length() > 0 {
		return false, ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch v := &m.view; v.State {
	case Running:
		return v.quiet && v.running == running, ""
	case Waiting, Loading:
		return false, ""
	case Restarting:
		return v.LastError != "", v.LastError
	default:
		return true, v.LastError
	}
}

// record keeps the reason of a failure where Status finds it, and logs it.
func (m *Module) record(number int, err error) {
	line := faultLine(m.spec.Name, number, err)
	m.log.Error(line)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view.LastError, m.view.LastErrorAt = line, m.now()
}

func (m *Module) forgive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view.LastError, m.view.LastErrorAt = "", time.Time{}
}
