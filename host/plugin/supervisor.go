package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Supervisor runs modules. Its methods may be called from any goroutine.
type Supervisor struct {
	options  Options
	store    *store
	launcher *sandbox.Launcher
	changed  signal

	synced     chan struct{} // closed by Synced
	syncedOnce sync.Once

	ctx  context.Context // of everything that runs; ended by Close
	stop context.CancelFunc

	mu      sync.Mutex
	modules map[string]*Module
	closed  bool
}

// New returns a supervisor without modules. The caller closes it.
func New(options Options) (*Supervisor, error) {
	if options.Committer == nil || options.SandboxPath == "" || options.Logger == nil {
		return nil, errors.New("a supervisor needs Committer, SandboxPath and Logger")
	}
	path, err := filepath.Abs(options.SandboxPath)
	if err != nil {
		return nil, fmt.Errorf("finding the sandbox program: %w", err)
	}
	options.SandboxPath = path
	ctx, stop := context.WithCancel(context.Background())
	return &Supervisor{
		options:  options.withDefaults(),
		store:    newStore(),
		launcher: sandbox.NewLauncher(),
		synced:   make(chan struct{}),
		ctx:      ctx,
		stop:     stop,
		modules:  make(map[string]*Module),
	}, nil
}

// Add starts a module. An error is a mistake in spec; what is wrong with the
// module itself is shown by Status.
func (s *Supervisor) Add(spec Spec) error {
	if err := spec.check(); err != nil {
		return err
	}
	granted, err := policy.GrantOf(spec.Grant.Tiers, spec.Grant.Actions)
	if err != nil {
		return fmt.Errorf("module %q: grant: %w", spec.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.modules[spec.Name] != nil {
		return fmt.Errorf("module %q: there is one of this name already: remove it first", spec.Name)
	}
	return s.begin(spec, granted, nil)
}

// begin starts a module, which may be the heir to one of the same name. The caller
// holds mu.
func (s *Supervisor) begin(spec Spec, granted policy.Grant, former *Module) error {
	if s.closed {
		return errors.New("the supervisor is closed")
	}
	limits := overlay(spec.Grant.Limits, s.options.Limits)
	m := newModule(s, spec, policy.NewLayer(spec.Name, spec.Order, granted, policy.LimitsOf(limits)), limits)
	m.former = former
	s.modules[spec.Name] = m
	m.begin(s.ctx)
	return nil
}

func (s Spec) check() error {
	switch {
	case s.Name == "":
		return errors.New("a module needs a name")
	case s.sources() != 1:
		return fmt.Errorf("module %q: give one of Path, Wasm and Fetch", s.Name)
	case s.Mode == Shadow && !s.Rollout.unbounded():
		return fmt.Errorf("module %q: a rollout bounds what is put in force, and a shadow puts nothing in force: leave one of them out", s.Name)
	case s.Mode == Enforce && s.InsteadOf != "":
		return fmt.Errorf("module %q: it is enforced, and takes nobody's place: insteadOf is for shadows", s.Name)
	case len(s.Config) > 0 && !json.Valid(s.Config):
		return fmt.Errorf("module %q: its configuration is not JSON", s.Name)
	}
	return nil
}

func (s Spec) sources() (n int) {
	for _, given := range []bool{s.Path != "", s.Wasm != nil, s.Fetch != nil} {
		if given {
			n++
		}
	}
	return n
}

// Remove stops a module and takes out of force what it put there, in one
// transaction; what only it watched is watched no longer. If that fails the module is gone but its policy is still in
// force, and Remove may be called again.
func (s *Supervisor) Remove(ctx context.Context, name string) error {
	s.mu.Lock()
	m := s.modules[name]
	s.mu.Unlock()
	if m == nil {
		return fmt.Errorf("module %q: there is none of this name", name)
	}
	m.stop()
	if layer := m.standing().layer; m.spec.Mode == Shadow {
		layer.Commit(layer.Begin(true))
	} else if err := s.options.Committer.Commit(ctx, layer, layer.Begin(true)); err != nil {
		return fmt.Errorf("module %q: taking its policy out of force: %w", name, err)
	}
	// Before a module of the same name can begin, and watch for itself.
	if s.options.Unwatch != nil {
		s.options.Unwatch(name, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.modules, name)
	return nil
}

// Configure replaces the configuration of a module, which is handed the whole
// state again with it. One that the module's schema does not allow is an error,
// and the former stays in force.
func (s *Supervisor) Configure(name string, config json.RawMessage) error {
	if len(config) > 0 && !json.Valid(config) {
		return fmt.Errorf("module %q: its configuration is not JSON", name)
	}
	s.mu.Lock()
	m := s.modules[name]
	s.mu.Unlock()
	if m == nil {
		return fmt.Errorf("module %q: there is none of this name", name)
	}
	if err := m.configure(config); err != nil {
		return fmt.Errorf("module %q: %w", name, err)
	}
	return nil
}

// Deliver tells the modules what has changed: *abi.ObjectPut, *abi.ObjectDelete
// and *abi.Tick; other events are passed over. It keeps the objects, for
// generations that start later, and does not wait for any module. An object that
// is delivered again unchanged is no event. Events and their JSON belong to the
// supervisor from now on and must not change.
func (s *Supervisor) Deliver(events []abi.Event) { s.store.apply(events) }

// Synced says that what was delivered is the whole state. Until then modules are
// loaded but not fed: a part of the state would look like a policy. It is
// harmless to repeat.
func (s *Supervisor) Synced() { s.syncedOnce.Do(func() { close(s.synced) }) }

// Watches returns the resources that some module is granted, sorted; "*" if one
// is granted every resource.
func (s *Supervisor) Watches() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]struct{})
	for _, m := range s.modules {
		for _, r := range m.spec.Grant.Resources {
			all[r] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Wants says whether the generation of some module that serves now is told of a
// resource.
func (s *Supervisor) Wants(resource string) bool {
	return slices.ContainsFunc(s.inOrder(), func(m *Module) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.view.resources[resource]
	})
}

// Status of every module, in the operator's order. It answers at once.
func (s *Supervisor) Status() []Status {
	var list []Status
	for _, m := range s.inOrder() {
		list = append(list, m.Status())
	}
	return list
}

// Layers of every module that is enforced, in the operator's order. They may be
// read at any time and are written by the Committer only.
func (s *Supervisor) Layers() []*policy.Layer {
	var list []*policy.Layer
	for _, m := range s.inOrder() {
		if m.spec.Mode == Enforce {
			list = append(list, m.standing().layer)
		}
	}
	return list
}

// ShadowLayer is what a module says that is not enforced.
type ShadowLayer struct {
	Layer     *policy.Layer
	InsteadOf string // Spec.InsteadOf
}

// Shadows are the layers of the modules that are not enforced, in the operator's
// order.
func (s *Supervisor) Shadows() []ShadowLayer {
	var list []ShadowLayer
	for _, m := range s.inOrder() {
		if m.spec.Mode == Shadow {
			list = append(list, ShadowLayer{m.standing().layer, m.spec.InsteadOf})
		}
	}
	return list
}

func (s *Supervisor) inOrder() []*Module {
	s.mu.Lock()
	list := slices.Collect(maps.Values(s.modules))
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b *Module) int {
		return cmp.Or(cmp.Compare(a.spec.Order, b.spec.Order), cmp.Compare(a.spec.Name, b.spec.Name))
	})
	return list
}

// Settled waits until every module has handled everything that was delivered, or
// cannot. The error names the modules that have failed, or is that of ctx.
func (s *Supervisor) Settled(ctx context.Context) error {
	for {
		next := s.changed.next() // before looking, so that no change is missed
		all := true
		var failed []error
		for _, m := range s.inOrder() {
			done, lastError := m.settled()
			all = all && done
			if done && lastError != "" {
				failed = append(failed, errors.New(lastError))
			}
		}
		if all {
			return errors.Join(failed...)
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the modules: %w", ctx.Err())
		}
	}
}

// Close ends all modules and waits until their processes are gone. What they put
// in force stays.
func (s *Supervisor) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	for _, m := range s.inOrder() {
		m.stop()
	}
	s.launcher.Close()
}
