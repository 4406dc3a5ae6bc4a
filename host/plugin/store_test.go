package plugin

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

func put(name string, generation int64) *abi.ObjectPut {
	return &abi.ObjectPut{Resource: "pods", Name: name, UID: "u", Generation: generation, JSON: fmt.Appendf(nil, `{"g":%d}`, generation)}
}

func deletion(name string) *abi.ObjectDelete {
	return &abi.ObjectDelete{Resource: "pods", Name: name, UID: "u"}
}

func words(events []abi.Event) (list []string) {
	for _, e := range events {
		switch e := e.(type) {
		case *abi.ObjectPut:
			list = append(list, fmt.Sprintf("put %s %d", e.Name, e.Generation))
		case *abi.ObjectDelete:
			list = append(list, "delete "+e.Name)
		case *abi.Tick:
			list = append(list, "tick")
		}
	}
	return list
}

func TestStore(t *testing.T) {
	pods := map[string]bool{"pods": true}
	for name, c := range map[string]struct {
		before, after []abi.Event
		snapshot      []string // of a feed opened in between
		events        []string // that it is given
		state         []string // at the end
	}{
		"order":       {[]abi.Event{put("b", 1), put("a", 1)}, nil, []string{"put a 1", "put b 1"}, nil, []string{"put a 1", "put b 1"}},
		"latest wins": {nil, []abi.Event{put("a", 1), put("b", 1), put("a", 2)}, nil, []string{"put a 2", "put b 1"}, []string{"put a 2", "put b 1"}},
		"unchanged":   {[]abi.Event{put("a", 1)}, []abi.Event{put("a", 1)}, []string{"put a 1"}, nil, []string{"put a 1"}},
		"gone":        {[]abi.Event{put("a", 1)}, []abi.Event{deletion("a")}, []string{"put a 1"}, []string{"delete a"}, nil},
		"gone, new":   {[]abi.Event{put("a", 1)}, []abi.Event{deletion("a"), put("a", 2)}, []string{"put a 1"}, []string{"put a 2"}, []string{"put a 2"}},
		"new, gone":   {nil, []abi.Event{put("a", 1), deletion("a")}, nil, []string{"delete a"}, nil},
		"never there": {nil, []abi.Event{deletion("a")}, nil, nil, nil},
		"unwatched":   {nil, []abi.Event{&abi.ObjectPut{Resource: "nodes", Name: "n"}}, nil, nil, nil},
		"tick":        {nil, []abi.Event{&abi.Tick{UnixNanos: 1}, &abi.Tick{UnixNanos: 2}}, nil, []string{"tick"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			s.apply(c.before)
			f, snapshot := s.open(pods)
			s.apply(c.after)
			if got := words(snapshot); !slices.Equal(got, c.snapshot) {
				t.Errorf("the snapshot is %q", got)
			}
			select {
			case <-f.wake:
				if len(c.events) == 0 {
					t.Error("it was woken for nothing")
				}
			default:
				if len(c.events) > 0 {
					t.Error("it was not woken")
				}
			}
			if got := words(f.take()); !slices.Equal(got, c.events) {
				t.Errorf("the events are %q", got)
			}
			if got := words(f.restart()); !slices.Equal(got, c.state) {
				t.Errorf("the state is %q", got)
			}
			f.close()
			f.close()
			s.apply([]abi.Event{put("z", 1)})
			if f.length() != 0 || len(s.feeds) != 0 {
				t.Error("a closed feed is fed")
			}
		})
	}
}

func TestTakeIsBounded(t *testing.T) {
	s := newStore()
	f, _ := s.open(map[string]bool{"pods": true})
	var events []abi.Event
	for i := range maxBatchEvents + 10 {
		events = append(events, put(fmt.Sprint(i), 1))
	}
	s.apply(events)
	if n := len(f.take()); n != maxBatchEvents {
		t.Errorf("the first batch has %d events", n)
	}
	<-f.wake
	if n := len(f.take()); n != 10 {
		t.Errorf("the second batch has %d events", n)
	}
	for i := range 3 {
		large := put(fmt.Sprint("large", i), 1)
		large.JSON = make([]byte, maxBatchBytes/2)
		s.apply([]abi.Event{large})
	}
	for _, want := range []int{1, 1, 1, 0} {
		if n := len(f.take()); n != want {
			t.Errorf("a batch of large objects has %d, want %d", n, want)
		}
	}
}

func TestBatches(t *testing.T) {
	var events []abi.Event
	for i := range 5 {
		e := put(fmt.Sprint(i), 1)
		e.JSON = make([]byte, maxBatchBytes/2-1000)
		events = append(events, e)
	}
	var sizes []int
	for _, b := range batches(events) {
		sizes = append(sizes, len(b))
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("the batches have %v events", sizes)
	}
	if n := len(batches(nil)); n != 1 {
		t.Errorf("no events are %d batches: a reset of nothing is one", n)
	}
}
