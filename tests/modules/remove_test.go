package modules_test

import (
	"context"
	"errors"
	"fmt"
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

// Nobody has to deliver any more what only a generation watched that another one took
// over from, or a module that is gone: not before that is so, and not for one that
// takes its place.
func TestWhatIsWatchedNoMore(t *testing.T) {
	var mu sync.Mutex
	var said []string
	say := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, what)
	}
	options := quick()
	options.Watch = func(_ context.Context, name string, resources []string) error {
		say(fmt.Sprint("watch ", name, resources))
		return nil
	}
	options.Unwatch = func(name string, except []string) { say(fmt.Sprint("no more than ", name, except)) }
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
	want := []string{
		"watch " + module + "[pods]", "no more than " + module + "[pods]",
		"watch " + module + "[pods]", "no more than " + module + "[pods]", "no more than " + module + "[]",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
}
