package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/host/policy"
)

// Update makes a module be as spec says, whatever it was like before, while what it
// has in force stays so until that can be replaced by one transaction:
//
//   - bytes from elsewhere, or of another digest, become a generation like any
//     other, bounded by the rollout;
//   - another configuration is handed to the generation in force;
//   - another order, grant or limits need a module begun anew, the heir: it is
//     loaded beside the one in force and takes over from it.
//
// A module that changes its mode has to be removed and added. An error is a mistake
// in spec, or in its configuration, and then nothing has changed.
func (s *Supervisor) Update(ctx context.Context, spec Spec) error {
	if err := spec.check(); err != nil {
		return err
	}
	granted, err := policy.GrantOf(spec.Grant.Tiers, spec.Grant.Actions)
	if err != nil {
		return fmt.Errorf("module %q: grant: %w", spec.Name, err)
	}
	s.mu.Lock()
	m := s.modules[spec.Name]
	s.mu.Unlock()
	switch {
	case m == nil:
		return fmt.Errorf("module %q: there is none of this name", spec.Name)
	case m.spec.Mode != spec.Mode:
		return fmt.Errorf("module %q: its mode is %v and cannot become %v: remove it and add it again", spec.Name, m.spec.Mode, spec.Mode)
	case !sameRights(&m.spec, &spec):
		return s.replace(m, spec, granted)
	}
	u := update{spec, make(chan error, 1)}
	select {
	case m.updates <- u:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return errors.New("the supervisor is closed")
	}
	select {
	case err := <-u.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sameRights says that nothing differs that a module has for life.
func sameRights(a, b *Spec) bool {
	return a.Order == b.Order && a.Grant.Limits == b.Grant.Limits && a.InsteadOf == b.InsteadOf &&
		slices.Equal(a.Grant.Resources, b.Grant.Resources) && slices.Equal(a.Grant.Tiers, b.Grant.Tiers) && slices.Equal(a.Grant.Actions, b.Grant.Actions)
}

// update asks the module's goroutine to follow another spec.
type update struct {
	spec   Spec
	answer chan error
}

func (m *Module) update(ctx context.Context, u update) {
	elsewhere := u.spec.From != m.spec.From || u.spec.Digest != m.spec.Digest
	if !elsewhere && string(u.spec.Config) != string(m.spec.Config) {
		if err := m.configure(u.spec.Config); err != nil {
			u.answer <- fmt.Errorf("module %q: %w", m.spec.Name, err)
			return
		}
	} else if elsewhere {
		// It is held against the schema of what is going to be read.
		m.mu.Lock()
		m.config = slices.Clone(u.spec.Config)
		m.mu.Unlock()
	}
	s := &m.spec
	s.From, s.Path, s.Wasm, s.Fetch, s.Digest = u.spec.From, u.spec.Path, u.spec.Wasm, u.spec.Fetch, u.spec.Digest
	s.Rollout, s.Config = u.spec.Rollout, u.spec.Config
	if elsewhere {
		m.read(ctx)
	}
	u.answer <- nil
}

// reconcileConfig hands the generation at work the configuration that came with
// bytes that turned out to be its own.
func (m *Module) reconcileConfig() {
	config := m.configuration()
	if m.current == nil || string(m.current.config) == string(config) {
		return
	}
	if err := m.configure(config); err != nil {
		m.record(m.current.number, err)
	}
}
