package plugin

import (
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
)

// A module that is slow is told of the latest tick alone, in its place among the
// changes, and ticks are no part of what the store keeps.
func TestTicksCoalesce(t *testing.T) {
	s := newStore()
	f, _ := s.open(map[string]bool{"pods": true})
	f.tick(time.Unix(60, 0))
	s.apply([]abi.Event{put("a", 1)})
	f.tick(time.Unix(120, 0))
	select {
	case <-f.wake:
	default:
		t.Error("a tick wakes nobody")
	}
	events := f.take()
	if len(events) != 2 {
		t.Fatalf("events: %q", words(events))
	}
	if tick, ok := events[0].(*abi.Tick); !ok || tick.UnixNanos != 120*int64(time.Second) {
		t.Errorf("the first event is %+v", events[0])
	}
	if state := f.restart(); len(state) != 1 {
		t.Errorf("the state is %q", words(state))
	}
}
