package modules_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

func TestRemove(t *testing.T) {
	h := newHouse(t, quick(), wasm(t, "steady"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), module); err != nil {
		t.Fatal(err)
	}
	d := h.commits()[1]
	if len(d.DeleteRules) != 1 || len(d.DeleteSets) != 1 || len(h.Status()) != 0 || len(h.sandboxes(t)) != 0 {
		t.Errorf("after Remove: %+v, %+v", d, h.Status())
	}
}

// Nobody has to deliver any more what only a module watched that is gone: not
// before its policy is out of force, and not for one that takes its place.
func TestRemovedModuleWatchesNothing(t *testing.T) {
	var mu sync.Mutex
	var said []string
	say := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, what)
	}
	options := quick()
	options.Watch = func(_ context.Context, name string, _ []string) error { say("watch " + name); return nil }
	options.Unwatch = func(name string) { say("unwatch " + name) }
	h := newHouse(t, options, wasm(t, "steady"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	h.write(t, wasm(t, "other"))
	h.until(t, "generation 2", running(2))

	h.breaks(errors.New("the switch is away"))
	if err := h.Remove(t.Context(), module); err == nil {
		t.Error("it is removed although its policy is still in force")
	}
	h.breaks(nil)
	if err := h.Remove(t.Context(), module); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"watch " + module, "watch " + module, "unwatch " + module}; !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
}
