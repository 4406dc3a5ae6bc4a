package modules_test

import (
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/modules"
)

// A module that asks for the clock is called though nothing else happens, and so
// is the generation after it; one that does not ask is left alone.
func TestTick(t *testing.T) {
	bare, err := modules.Bare("steady")
	if err != nil {
		t.Fatal(err)
	}
	with := func(seconds int) []byte {
		m := modules.Manifest()
		m.TickSeconds = seconds
		b, err := modules.With(bare, m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	h := newHouse(t, quick(), with(1))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	ticked := func(from int) bool {
		for range 600 { // a minute: ticks come every second
			if len(h.commits()) >= from+2 {
				return true
			}
			time.Sleep(100 * time.Millisecond)
		}
		return false
	}
	if !ticked(len(h.commits())) {
		t.Fatal("a module with tickSeconds 1 is not called")
	}
	h.write(t, with(0))
	h.until(t, "generation 2", running(2))
	before := len(h.commits())
	time.Sleep(2500 * time.Millisecond)
	if after := len(h.commits()); after != before {
		t.Errorf("a module without tickSeconds was called %d times in two and a half seconds", after-before)
	}
	h.write(t, with(1))
	h.until(t, "generation 3", running(3))
	if !ticked(len(h.commits())) {
		t.Error("the third generation, which asks again, is not called")
	}
}
