package recording

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/sluice-net/sluice/abi"
)

// DefaultBytes bounds a Ring. Objects are shared with whoever delivered them and
// counted all the same.
const DefaultBytes = 8 << 20

// Ring keeps the last batches of one generation. Its methods may be called from
// any goroutine.
type Ring struct {
	mu      sync.Mutex
	limit   int
	bytes   int
	entries []*Entry

	// The state that folded batches led to.
	folded  bool
	config  *abi.Configure
	tick    *abi.Tick
	objects map[object]*abi.ObjectPut
}

type object struct{ resource, namespace, name string }

// Entry is a batch while it is being handled, and afterwards.
type Entry struct {
	ring   *Ring
	batch  abi.EventBatch
	calls  []Call
	code   int32
	err    string
	at     time.Time
	took   time.Duration
	weight int
}

// NewRing returns an empty ring of at most so many bytes; 0 is DefaultBytes.
func NewRing(limit int) *Ring {
	return &Ring{limit: cmp.Or(limit, DefaultBytes), objects: make(map[object]*abi.ObjectPut)}
}

// Begin says that a batch is handed over. Its events must not change.
func (r *Ring) Begin(batch abi.EventBatch, size int) *Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &Entry{ring: r, batch: batch, at: time.Now(), weight: size}
	if batch.Reset { // nothing from before matters
		r.entries, r.bytes, r.folded = nil, 0, false
		r.config, r.tick = nil, nil
		clear(r.objects)
	}
	r.entries = append(r.entries, e)
	r.bytes += size
	r.trim()
	return e
}

// Emitted says what the module emitted and was answered. The bytes are copied.
func (e *Entry) Emitted(requests []byte, size int, answer abi.EmitError) {
	e.ring.mu.Lock()
	defer e.ring.mu.Unlock()
	e.calls = append(e.calls, Call{Requests: slices.Clone(requests), Size: size, Answer: int32(answer)})
	e.weight += len(requests)
	e.ring.bytes += len(requests)
	e.ring.trim()
}

// End says how the call ended; err is nil if it returned.
func (e *Entry) End(code int32, err error) {
	e.ring.mu.Lock()
	defer e.ring.mu.Unlock()
	e.code, e.took = code, time.Since(e.at)
	if err != nil {
		e.err = err.Error()
	}
}

// trim folds the oldest batches until the rest is within the bound. The latest
// stays, whatever its size: of a batch that killed its generation nothing may be
// missing.
func (r *Ring) trim() {
	for r.bytes > r.limit && len(r.entries) > 1 {
		oldest := r.entries[0]
		r.entries = slices.Clone(r.entries[1:])
		r.bytes -= oldest.weight
		r.fold(oldest.batch.Events)
	}
}

func (r *Ring) fold(events []abi.Event) {
	r.folded = true
	for _, event := range events {
		switch e := event.(type) {
		case *abi.Configure:
			r.config = e
		case *abi.Tick:
			r.tick = e
		case *abi.ObjectPut:
			r.objects[object{e.Resource, e.Namespace, e.Name}] = e
		case *abi.ObjectDelete:
			delete(r.objects, object{e.Resource, e.Namespace, e.Name})
		}
	}
}

// Batches are what the ring holds, oldest first; folded says that the first is
// the state that earlier ones led to.
func (r *Ring) Batches() (batches []Batch, folded bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.folded && len(r.entries) > 0 {
		batches = append(batches, Batch{At: r.entries[0].at, Request: abi.AppendEventBatch(nil, &abi.EventBatch{
			Sequence: r.entries[0].batch.Sequence - 1, Reset: true, Events: r.state(),
		})})
	}
	for _, e := range r.entries {
		batches = append(batches, Batch{
			Request: abi.AppendEventBatch(nil, &e.batch), Calls: slices.Clone(e.calls), Code: e.code, Error: e.err,
			At: e.at, Millis: float64(e.took.Microseconds()) / 1000,
		})
	}
	return batches, r.folded
}

// state is the folded one, in an order that depends on nothing but itself.
func (r *Ring) state() []abi.Event {
	config := r.config
	if config == nil {
		config = &abi.Configure{}
	}
	events := []abi.Event{config}
	if r.tick != nil {
		events = append(events, r.tick)
	}
	var puts []*abi.ObjectPut
	for _, put := range r.objects {
		puts = append(puts, put)
	}
	slices.SortFunc(puts, func(a, b *abi.ObjectPut) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, put := range puts {
		events = append(events, put)
	}
	return events
}
