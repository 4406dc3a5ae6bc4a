package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-net/sluice/host/policy"
)

// Mode says what becomes of what a module emits.
type Mode uint8

// The modes.
const (
	Enforce Mode = iota // it is put in force
	Shadow              // it is kept and compared with what is in force, and never enforced
)

// String is "Enforce" or "Shadow", as in a PolicyModule.
func (m Mode) String() string {
	if m == Shadow {
		return "Shadow"
	}
	return "Enforce"
}

// Rollout bounds what a new generation may change at once when it takes over
// from one that is in force. Nil is no bound. Restarts of a generation and
// changes of objects are not bounded.
type Rollout struct {
	MaxNewDenies *int
	MaxNewAllows *int
}

func (r Rollout) unbounded() bool { return r.MaxNewDenies == nil && r.MaxNewAllows == nil }

// Impact is what a layer would change if it took the place of the one of its
// module: pairs of a source and a destination that lose, or gain, some port.
type Impact struct {
	NewDenies int `json:"newDenies"`
	NewAllows int `json:"newAllows"`
	// Examples are a few of them in words, the most far-reaching first.
	Examples []string `json:"examples,omitempty"`
}

// Reviewer foretells what a cut-over would change.
type Reviewer interface {
	// Review compares what is in force with what would be if after took the place
	// of the layer of its module.
	Review(ctx context.Context, after *policy.Layer) (Impact, error)
}

// Rejection is a generation that was kept out, or taken back, and stays so until
// another file comes or the operator accepts it.
type Rejection struct {
	Generation int       `json:"generation"`
	Digest     string    `json:"digest"`
	At         time.Time `json:"at"`
	// Reason is what it would have changed, or how it failed.
	Reason string `json:"reason"`
	// RolledBack says that it was in force already.
	RolledBack bool `json:"rolledBack"`
}

// tooFar is a cut-over that would change more than the operator expects.
type tooFar struct{ reason string }

func (e *tooFar) Error() string { return e.reason }

// review refuses a cut-over to another generation that goes beyond the rollout's
// bounds. A module's first generation has nothing to be compared with.
func (m *Module) review(ctx context.Context, c *candidate) error {
	bound := m.spec.Rollout
	if bound.unbounded() || m.serving == nil || m.serving == c.image || m.accepted == c.digest {
		return nil
	}
	impact, err := m.options.Reviewer.Review(ctx, c.txn.txn.Preview())
	if err != nil {
		return &notCommitted{fmt.Errorf("comparing it with what is in force: %w", err)}
	}
	var over []string
	for _, l := range []struct {
		what  string
		have  int
		limit *int
	}{
		{"newly deny %d pairs (rollout.maxNewDenies is %d)", impact.NewDenies, bound.MaxNewDenies},
		{"newly allow %d pairs (rollout.maxNewAllows is %d)", impact.NewAllows, bound.MaxNewAllows},
	} {
		if l.limit != nil && l.have > *l.limit {
			over = append(over, fmt.Sprintf(l.what, l.have, *l.limit))
		}
	}
	if len(over) == 0 {
		return nil
	}
	text := "was not let take over: it would " + strings.Join(over, " and ")
	if len(impact.Examples) > 0 {
		text += ", for instance " + strings.Join(impact.Examples, "; ")
	}
	return &tooFar{text + fmt.Sprintf(": raise the bound, or run `sluicectl module accept %s %s`", m.spec.Name, c.digest)}
}

// keepOut remembers an image that is not to be tried again by itself.
func (m *Module) keepOut(i *image, reason error, rolledBack bool) {
	m.rejected = i
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view.Rejected = &Rejection{Generation: i.number, Digest: i.digest, At: m.now(), Reason: reason.Error(), RolledBack: rolledBack}
}

// letIn forgets the image that was kept out.
func (m *Module) letIn() {
	m.rejected = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view.Rejected = nil
}

// acceptance asks the module's goroutine to let a generation in after all.
type acceptance struct {
	digest string
	answer chan error
}

func (m *Module) accept(ctx context.Context, a acceptance) {
	i := m.rejected
	if i == nil || i.digest != a.digest {
		a.answer <- fmt.Errorf("module %q: no generation with the digest %s is kept out: `sluicectl status -o json` shows the digest of the one that is", m.spec.Name, a.digest)
		return
	}
	m.accepted = i.digest
	m.letIn()
	m.drop()
	m.wanted = i
	m.schedule(i)
	m.start(ctx)
	a.answer <- nil
}

// Accept lets a generation take over that was kept out by the bounds of its
// rollout, or was taken back: the operator knows better. It returns once the
// generation is being started; Status shows what becomes of it.
func (s *Supervisor) Accept(ctx context.Context, name, digest string) error {
	s.mu.Lock()
	m := s.modules[name]
	s.mu.Unlock()
	if m == nil {
		return fmt.Errorf("module %q: there is none of this name", name)
	}
	a := acceptance{digest: digest, answer: make(chan error, 1)}
	select {
	case m.acceptances <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return errors.New("the supervisor is closed")
	}
	select {
	case err := <-a.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
