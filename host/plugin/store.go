package plugin

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"github.com/sluice-net/sluice/abi"
)

// store keeps the latest version of every object, so that a generation that
// starts can be given the whole state, and hands changes to the feeds of those
// that run. The JSON of objects is shared with whoever delivered it.
type store struct {
	mu      sync.Mutex
	objects map[objectKey]*abi.ObjectPut
	feeds   map[*feed]struct{}
}

type objectKey struct{ resource, namespace, name string }

func newStore() *store {
	return &store{objects: make(map[objectKey]*abi.ObjectPut), feeds: make(map[*feed]struct{})}
}

// apply takes changes in. What says nothing new is passed over.
func (s *store) apply(events []abi.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, event := range events {
		switch e := event.(type) {
		case *abi.ObjectPut:
			key := objectKey{e.Resource, e.Namespace, e.Name}
			if old := s.objects[key]; old != nil && old.UID == e.UID && old.Generation == e.Generation && bytes.Equal(old.JSON, e.JSON) {
				continue
			}
			s.objects[key] = e
			s.publish(key, e)
		case *abi.ObjectDelete:
			key := objectKey{e.Resource, e.Namespace, e.Name}
			if s.objects[key] == nil {
				continue
			}
			delete(s.objects, key)
			s.publish(key, e)
		case *abi.Tick:
			for f := range s.feeds {
				f.push(objectKey{}, e)
			}
		}
	}
	for f := range s.feeds {
		f.signal()
	}
}

func (s *store) publish(key objectKey, e abi.Event) {
	for f := range s.feeds {
		if f.resources[key.resource] {
			f.push(key, e)
		}
	}
}

// open makes a feed and returns the state that it continues.
func (s *store) open(resources map[string]bool) (*feed, []abi.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &feed{store: s, resources: resources, pending: make(map[objectKey]abi.Event), wake: make(chan struct{}, 1)}
	s.feeds[f] = struct{}{}
	return f, s.snapshot(resources)
}

// snapshot returns the objects in an order that depends on nothing but them.
func (s *store) snapshot(resources map[string]bool) []abi.Event {
	var puts []*abi.ObjectPut
	for key, object := range s.objects {
		if resources[key.resource] {
			puts = append(puts, object)
		}
	}
	slices.SortFunc(puts, func(a, b *abi.ObjectPut) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	events := make([]abi.Event, len(puts))
	for i, p := range puts {
		events[i] = p
	}
	return events
}

// feed is what one running generation has not been told yet. Several changes of
// one object are one event, the latest.
type feed struct {
	store     *store
	resources map[string]bool
	wake      chan struct{} // has an element when there may be something to take

	pending map[objectKey]abi.Event // under store.mu, like what follows
	order   []objectKey
}

func (f *feed) push(key objectKey, e abi.Event) {
	if _, there := f.pending[key]; !there {
		f.order = append(f.order, key)
	}
	f.pending[key] = e
}

func (f *feed) signal() {
	if len(f.order) == 0 {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take returns the oldest changes, as many as make a batch, and removes them.
func (f *feed) take() []abi.Event {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	n, size := 0, 0
	events := make([]abi.Event, 0, min(len(f.order), maxBatchEvents))
	for n < len(f.order) && n < maxBatchEvents {
		e := f.pending[f.order[n]]
		if size += eventSize(e); n > 0 && size > maxBatchBytes {
			break
		}
		events = append(events, e)
		delete(f.pending, f.order[n])
		n++
	}
	if f.order = f.order[n:]; len(f.order) == 0 {
		f.order = nil
	}
	f.signal()
	return events
}

// restart forgets the changes and returns the state that they lead to.
func (f *feed) restart() []abi.Event {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	clear(f.pending)
	f.order = nil
	return f.store.snapshot(f.resources)
}

func (f *feed) length() int {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	return len(f.order)
}

// close ends the feed. It is harmless to repeat.
func (f *feed) close() {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	delete(f.store.feeds, f)
}

// Bounds of one batch. One object that is larger is a batch of its own.
const (
	maxBatchEvents = 8192
	maxBatchBytes  = 8 << 20
)

// eventSize is about how many bytes an event takes in a batch.
func eventSize(e abi.Event) int {
	const fixed = 48
	switch e := e.(type) {
	case *abi.ObjectPut:
		return fixed + len(e.Resource) + len(e.Namespace) + len(e.Name) + len(e.UID) + len(e.JSON)
	case *abi.ObjectDelete:
		return fixed + len(e.Resource) + len(e.Namespace) + len(e.Name) + len(e.UID)
	case *abi.Configure:
		return fixed + len(e.JSON)
	}
	return fixed
}

// batches cuts events into batches.
func batches(events []abi.Event) [][]abi.Event {
	var list [][]abi.Event
	start, size := 0, 0
	for i, e := range events {
		if size += eventSize(e); i > start && (size > maxBatchBytes || i-start >= maxSnapshotEvents) {
			list = append(list, events[start:i])
			start, size = i, eventSize(e)
		}
	}
	return append(list, events[start:])
}

// maxSnapshotEvents bounds a batch of a snapshot: small objects come in one.
const maxSnapshotEvents = 100_000
