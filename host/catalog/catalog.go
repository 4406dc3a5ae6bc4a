package catalog

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-net/sluice/host/plugin"
)

// Options of a Catalog. All are needed.
type Options struct {
	Supervisor *plugin.Supervisor
	// Floor is what runs whatever the API says; Hold names those of it without whose
	// first commit the node does not open.
	Floor []plugin.Spec
	Hold  []string
	Sources
	Logger *slog.Logger
}

// Catalog is which modules run. Its methods may be called from any goroutine.
type Catalog struct {
	options Options
	wake    chan struct{}

	mu      sync.Mutex
	floor   map[string]*wanted
	entries map[string]*entry // PolicyModules, by name
	running map[string]*wanted
	failed  map[string]error // what the supervisor said of those that are to run
}

// entry is a PolicyModule.
type entry struct {
	version Version
	good    *wanted // as last understood; nil: never
	err     *refusal
	ignored bool // it says itself that no node need wait for it
}

// New returns a catalog of the floor alone.
func New(o Options) *Catalog {
	c := &Catalog{
		options: o, wake: make(chan struct{}, 1),
		floor: map[string]*wanted{}, entries: map[string]*entry{}, running: map[string]*wanted{}, failed: map[string]error{},
	}
	for _, spec := range o.Floor {
		c.floor[spec.Name] = &wanted{Spec: spec, hold: slices.Contains(o.Hold, spec.Name)}
	}
	return c
}

// Version tells apart what one name meant at different times: an object that was
// deleted and made again has another UID, and its generation is 1 again.
type Version struct {
	UID        string
	Generation int64
}

// Put takes a PolicyModule as it is in the API. One that can not be followed leaves
// in place what the one before it said.
func (c *Catalog) Put(name string, version Version, object []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[name]
	if e != nil && e.version == version {
		return // what changed is not for us: its status, or labels
	}
	w, err := c.options.read(name, version.Generation, object)
	if e == nil {
		e = &entry{}
		c.entries[name] = e
	}
	e.version, e.err, e.ignored = version, nil, w != nil && !w.hold
	if err == nil {
		e.good = w
	} else if !errors.As(err, &e.err) {
		e.err = &refusal{ReasonInvalid, err.Error()}
	}
	if e.err != nil {
		c.options.Logger.Error("a PolicyModule can not be followed as it is written; what was before it stays", "policyModule", name, "error", e.err.message)
	}
	c.signal()
}

// Delete takes the end of a PolicyModule.
func (c *Catalog) Delete(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, name)
	c.signal()
}

func (c *Catalog) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// wanted is what should run, by name. The caller holds mu.
func (c *Catalog) wanted() map[string]*wanted {
	all := maps.Clone(c.floor)
	for name, e := range c.entries {
		if e.good != nil {
			all[name] = e.good
		}
	}
	return all
}

// Holds are the modules without whose first commit the node must not open. A
// PolicyModule that was never understood is among them, unless it says itself that
// nobody need wait for it: nobody knows what it was meant to close.
func (c *Catalog) Holds() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	all := c.wanted()
	for name, w := range all {
		if w.hold {
			names = append(names, name)
		}
	}
	for name, e := range c.entries {
		if all[name] == nil && !e.ignored {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Pins are the digests that name what PolicyModules ask for, and what runs until it
// can be replaced: of a module's bytes, or of the artifact that holds them. Known is
// false while there is a PolicyModule of which nobody can say what it asks for.
func (c *Catalog) Pins() (digests []string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known = true
	for _, e := range c.entries {
		if e.good == nil {
			known = false
			continue
		}
		digests = append(digests, e.good.pins...)
	}
	for _, w := range c.running {
		digests = append(digests, w.pins...)
	}
	return digests, known
}

// tryAgain is how soon what the supervisor could not do is tried again.
const tryAgain = 5 * time.Second

// Run makes the supervisor run what is wanted, until ctx ends.
func (c *Catalog) Run(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if !c.reconcile(ctx) {
			again = time.After(tryAgain)
		}
		select {
		case <-c.wake:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// reconcile goes through what differs, once. It says whether all of it went well.
func (c *Catalog) reconcile(ctx context.Context) bool {
	c.mu.Lock()
	all, running := c.wanted(), maps.Clone(c.running)
	c.mu.Unlock()
	well := true
	step := func(name string, w *wanted, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		before := c.failed[name]
		delete(c.failed, name)
		switch {
		case err != nil:
			if well = false; ctx.Err() != nil {
				return
			}
			if before == nil || before.Error() != err.Error() {
				c.options.Logger.Error("a module can not be run as it is wanted", "module", name, "error", err)
			}
			c.failed[name] = err
		case w == nil:
			delete(c.running, name)
		default:
			c.running[name] = w
		}
	}
	for _, name := range slices.Sorted(maps.Keys(running)) {
		if w := all[name]; w == nil || w.Mode != running[name].Mode {
			step(name, nil, c.options.Supervisor.Remove(ctx, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w := all[name]
		c.mu.Lock()
		now := c.running[name]
		c.mu.Unlock()
		switch {
		case now == w:
		case now == nil:
			step(name, w, c.options.Supervisor.Add(w.Spec))
		case now.Mode == w.Mode:
			step(name, w, c.options.Supervisor.Update(ctx, w.Spec))
		}
	}
	return well
}

// Entry is one PolicyModule and what the agent makes of it.
type Entry struct {
	Name     string
	Version  Version // that was read last
	Followed int64   // the generation that is followed; 0: none yet
	Reason   string  // of the condition Accepted
	Message  string  // what is wrong and what to do; empty for ReasonAccepted
}

// Entries are all PolicyModules, by name.
func (c *Catalog) Entries() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Entry
	for _, name := range slices.Sorted(maps.Keys(c.entries)) {
		e := c.entries[name]
		out := Entry{Name: name, Version: e.version, Reason: ReasonAccepted}
		if now := c.running[name]; now != nil {
			out.Followed = now.generation
		}
		if e.err != nil {
			out.Reason, out.Message = e.err.reason, e.err.message
		} else if err := c.failed[name]; err != nil {
			out.Reason, out.Message = ReasonNotLoaded, err.Error()
		}
		list = append(list, out)
	}
	return list
}
