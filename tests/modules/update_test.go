package modules_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
)

// spec of a module whose bytes do not change.
func fixed(from string, wasm []byte, more func(*plugin.Spec)) plugin.Spec {
	s := plugin.Spec{
		Name: module, From: from, Wasm: wasm,
		Grant: plugin.Grant{Resources: []string{"pods"}, Tiers: []string{"network"}, Actions: []string{"allow"}},
	}
	if more != nil {
		more(&s)
	}
	return s
}

// A module follows another spec while what it has in force stays so until one
// transaction replaces it.
func TestUpdate(t *testing.T) {
	h := newHouse(t, quick(), wasm(t, "good-then-trap"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	first := h.rules()
	update := func(t *testing.T, s plugin.Spec) {
		t.Helper()
		if err := h.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("bytes from elsewhere are a generation", func(t *testing.T) {
		update(t, fixed("elsewhere", wasm(t, "other"), nil))
		s := h.until(t, "generation 2", running(2))
		if s.Reloads != 1 || !slices.Equal(h.rules(), []string{"second"}) || slices.Equal(first, h.rules()) {
			t.Errorf("the status is %+v, the rules in force are %q", s, h.rules())
		}
	})
	t.Run("the former place is not read any longer", func(t *testing.T) {
		h.write(t, wasm(t, "good-then-loop"))
		update(t, fixed("elsewhere", wasm(t, "other"), nil)) // the same again is no change
		if err := h.settle(t); err != nil {
			t.Fatal(err)
		}
		if s := h.status(); s.Newest != 2 || s.Reloads != 1 {
			t.Errorf("the status is %+v", s)
		}
	})
	t.Run("another order is an heir", func(t *testing.T) {
		before := len(h.commits())
		pids := h.sandboxes(t)
		update(t, fixed("elsewhere", wasm(t, "other"), func(s *plugin.Spec) { s.Order = 7 }))
		h.until(t, "the heir", func(s plugin.Status) bool { return s.Order == 7 && s.State == plugin.Running })
		if err := h.settle(t); err != nil {
			t.Fatal(err)
		}
		deltas := h.commits()[before:]
		if len(deltas) != 1 || len(deltas[0].PutRules) != 1 || deltas[0].PutRules[0].Order != 7 || len(deltas[0].DeleteRules) != 0 {
			t.Errorf("the heir took over by %+v", deltas)
		}
		if now := h.sandboxes(t); len(now) != 1 || slices.Equal(now, pids) {
			t.Errorf("the sandboxes were %v and are %v", pids, now)
		}
	})
	t.Run("an heir that can not be loaded takes nothing away", func(t *testing.T) {
		before := len(h.commits())
		update(t, fixed("nowhere", []byte("no module"), func(s *plugin.Spec) { s.Order = 8 }))
		s := h.until(t, "its error", func(s plugin.Status) bool { return s.LastError != "" })
		if s.State != plugin.Running || s.Order != 7 || !strings.Contains(s.LastError, "is not a WebAssembly module") || !slices.Equal(h.rules(), []string{"second"}) {
			t.Errorf("the status is %+v, the rules in force are %q", s, h.rules())
		}
		h.Deliver([]abi.Event{pod("a", 50)}) // the one in force still hears
		h.until(t, "a batch", func(now plugin.Status) bool { return now.Batches > s.Batches })
		if got := len(h.commits()); got < before+1 {
			t.Errorf("%d commits, %d before", got, before)
		}
	})
	t.Run("and is replaced by the next", func(t *testing.T) {
		update(t, fixed("elsewhere", wasm(t, "other"), func(s *plugin.Spec) { s.Order = 9 }))
		s := h.until(t, "the heir", func(s plugin.Status) bool { return s.Order == 9 && s.State == plugin.Running })
		if s.LastError != "" || !slices.Equal(h.rules(), []string{"second"}) || len(h.sandboxes(t)) != 1 {
			t.Errorf("the status is %+v, the rules in force are %q", s, h.rules())
		}
	})
	t.Run("what can not be", func(t *testing.T) {
		for _, c := range []struct {
			spec plugin.Spec
			want string
		}{
			{fixed("", wasm(t, "other"), func(s *plugin.Spec) { s.Name = "nobody" }), "there is none of this name"},
			{fixed("", wasm(t, "other"), func(s *plugin.Spec) { s.Mode = plugin.Shadow }), "its mode is Enforce and cannot become Shadow"},
			{fixed("", wasm(t, "other"), func(s *plugin.Spec) { s.Grant.Tiers = []string{"upper"} }), "grant"},
		} {
			if err := h.Update(t.Context(), c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		}
	})
	t.Run("removal", func(t *testing.T) {
		update(t, fixed("nowhere", []byte("no module"), func(s *plugin.Spec) { s.Order = 10 }))
		h.until(t, "its error", func(s plugin.Status) bool { return s.LastError != "" })
		layer := h.Layers()[0]
		if err := h.Remove(context.Background(), module); err != nil {
			t.Fatal(err)
		}
		if left := rulesOf(layer); len(left) > 0 || len(h.sandboxes(t)) > 0 {
			t.Errorf("left: rules %q, sandboxes %v", left, h.sandboxes(t))
		}
	})
}
