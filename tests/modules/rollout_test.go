package modules_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
)

// Whatever a generation does wrong shortly after it took over from another one
// brings that one back, once it has been handed the whole state: nothing in force
// is touched before.
func TestReturnOnProbation(t *testing.T) {
	for name, reason := range map[string]string{
		"good-then-trap":     "trapped in sluice_handle: unreachable",
		"good-then-loop":     "did not finish handling a batch within 200ms and was killed",
		"good-then-gives-up": "gave a batch up",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, quick(), wasm(t, "other"))
			if err := h.settle(t); err != nil {
				t.Fatal(err)
			}
			good := h.status().Digest
			h.write(t, wasm(t, name))
			bad := h.until(t, "generation 2", running(2)).Digest
			h.Deliver([]abi.Event{pod("a", 100)})
			s := h.until(t, "the return", running(1))
			if s.Digest != good || s.Rollbacks != 1 || s.Newest != 2 || !slices.Equal(h.rules(), []string{"second"}) {
				t.Errorf("the status is %+v, the rules in force are %q", s, h.rules())
			}
			if r := s.Rejected; r == nil || !r.RolledBack || r.Generation != 2 || r.Digest != bad || !strings.Contains(r.Reason, reason) {
				t.Errorf("what was taken back is %+v", s.Rejected)
			}
			// Between the fault and the return nothing was committed: three transactions
			// in all, of which the last is the first one's policy.
			if got := h.commits(); len(got) != 3 {
				t.Errorf("the commits are %+v", got)
			}

			t.Run("and the same file is not tried again", func(t *testing.T) {
				h.write(t, wasm(t, name))
				h.Deliver([]abi.Event{pod("a", 101)})
				if err := h.settle(t); err != nil {
					t.Fatal(err)
				}
				if s := h.status(); s.Generation != 1 || s.Reloads != 1 || !strings.Contains(s.LastError, reason) {
					t.Errorf("the status is %+v", s)
				}
			})
			t.Run("until it is accepted", func(t *testing.T) {
				if err := h.Accept(t.Context(), module, "sha256:0"); err == nil || !strings.Contains(err.Error(), "no generation with the digest sha256:0") {
					t.Errorf("accepting another digest: %v", err)
				}
				if err := h.Accept(t.Context(), module, bad); err != nil {
					t.Fatal(err)
				}
				if s := h.until(t, "generation 2", running(2)); s.Rejected != nil || s.LastError != "" {
					t.Errorf("the status is %+v", s)
				}
				h.Deliver([]abi.Event{pod("a", 102)}) // fails again, but is no longer on probation
				if s := h.until(t, "its failure", func(s plugin.Status) bool { return s.LastError != "" }); s.Generation != 2 || s.Rollbacks != 1 {
					t.Errorf("the status is %+v", s)
				}
			})
		})
	}
}

// reviewer answers what a test tells it to. What the agent's says is tested there.
type reviewer struct {
	denies, allows atomic.Int64
	asked          atomic.Int64
	rules          atomic.Value // that it was asked about
}

func (r *reviewer) Review(_ context.Context, after *policy.Layer) (plugin.Impact, error) {
	r.asked.Add(1)
	r.rules.Store(rulesOf(after))
	return plugin.Impact{NewDenies: int(r.denies.Load()), NewAllows: int(r.allows.Load()), Examples: []string{"shop/web to shop/db"}}, nil
}

// A cut-over that goes beyond the rollout's bounds does not happen.
func TestRolloutBounds(t *testing.T) {
	five, none := 5, 0
	judge := &reviewer{}
	options := quick()
	options.Reviewer = judge
	h := furnish(t, options, plugin.Spec{Rollout: plugin.Rollout{MaxNewDenies: &five, MaxNewAllows: &none}}, wasm(t, "steady"))
	h.Synced()
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	if n := judge.asked.Load(); n != 0 {
		t.Errorf("the first generation was compared with nothing, %d times", n)
	}

	judge.denies.Store(6)
	h.write(t, wasm(t, "other"))
	s := h.until(t, "the refusal", func(s plugin.Status) bool { return s.Rejected != nil })
	want := "was not let take over: it would newly deny 6 pairs (rollout.maxNewDenies is 5), for instance shop/web to shop/db: raise the bound, or run `sluicectl module accept guarded sha256:"
	if !strings.HasPrefix(s.Rejected.Reason, want) || s.Rejected.RolledBack || s.Rejected.Generation != 2 {
		t.Errorf("the refusal is %+v", s.Rejected)
	}
	if got, _ := judge.rules.Load().([]string); !slices.Equal(got, []string{"second"}) {
		t.Errorf("the reviewer was shown the rules %q", got)
	}
	h.Deliver([]abi.Event{pod("a", 2)})
	h.until(t, "the old one at work", func(s plugin.Status) bool { return s.Batches >= 3 && s.Generation == 1 })
	if got := h.rules(); !slices.Equal(got, []string{"first"}) || len(h.commits()) > 2 {
		t.Errorf("the rules in force are %q after %d commits", got, len(h.commits()))
	}

	if err := h.Accept(t.Context(), module, s.Rejected.Digest); err != nil {
		t.Fatal(err)
	}
	if s := h.until(t, "generation 2", running(2)); s.Rejected != nil || !slices.Equal(h.rules(), []string{"second"}) {
		t.Errorf("the status is %+v, the rules in force are %q", s, h.rules())
	}

	judge.denies.Store(5) // within the bounds
	h.write(t, wasm(t, "steady"))
	h.until(t, "generation 3", running(3))
}

// A shadow runs on the same events, and nothing that it says is put in force.
func TestShadow(t *testing.T) {
	h := furnish(t, quick(), plugin.Spec{Mode: plugin.Shadow}, wasm(t, "steady"))
	h.Synced()
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	shadows := h.Shadows()
	if len(h.Layers()) != 0 || len(shadows) != 1 || !slices.Equal(rulesOf(shadows[0].Layer), []string{"first"}) {
		t.Errorf("%d layers are in force, the shadows are %v", len(h.Layers()), shadows)
	}
	h.write(t, wasm(t, "other"))
	if s := h.until(t, "generation 2", running(2)); s.Mode != plugin.Shadow || !slices.Equal(rulesOf(shadows[0].Layer), []string{"second"}) {
		t.Errorf("the status is %+v, the shadow's rules are %q", s, rulesOf(shadows[0].Layer))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.Remove(ctx, module); err != nil {
		t.Fatal(err)
	}
	if got := h.commits(); len(got) != 0 {
		t.Errorf("a shadow was put in force: %+v", got)
	}
}
