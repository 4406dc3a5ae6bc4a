package moduletest

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// Host is the other end of a module in a test.
type Host struct {
	// Refuse, if set, is asked about each request before it is staged, and may
	// answer what a host short of patience would: abi.Quota, abi.NotGranted.
	Refuse func(abi.Request) abi.EmitError
	// NoResetCheck turns off the check against fresh instances, for tests with so
	// many batches that it takes too long.
	NoResetCheck bool

	t        testing.TB
	make     func() sluice.Module
	running  *run
	sequence uint64
	config   []byte
	objects  map[objectKey]*abi.ObjectPut
}

type objectKey struct{ resource, namespace, name string }

// Result is what one batch came to.
type Result struct {
	Code     int32 // what sluice_handle returned
	Requests []abi.Request
	Logs     []string
}

// Reports are the reports among the requests.
func (r Result) Reports() []abi.Report {
	var all []abi.Report
	for _, q := range r.Requests {
		if report, ok := q.(*abi.Report); ok {
			all = append(all, *report)
		}
	}
	return all
}

// New starts a module and hands it an empty state with this configuration (JSON;
// empty for none).
func New(t testing.TB, module func() sluice.Module, config ...string) *Host {
	t.Helper()
	h := &Host{t: t, make: module, running: start(module()), objects: map[objectKey]*abi.ObjectPut{}}
	for _, c := range config {
		h.config = []byte(c)
	}
	h.batch(true, h.snapshot(nil))
	return h
}

// Put hands objects over in one batch. Namespace, name, uid and generation are
// read from their metadata.
func (h *Host) Put(resource string, objects ...string) Result {
	h.t.Helper()
	events := make([]abi.Event, 0, len(objects))
	for _, o := range objects {
		events = append(events, ObjectPut(h.t, resource, o))
	}
	return h.Batch(events...)
}

// Delete says that an object is gone.
func (h *Host) Delete(resource, namespace, name string) Result {
	h.t.Helper()
	return h.Batch(&abi.ObjectDelete{Resource: resource, Namespace: namespace, Name: name})
}

// Configure changes the configuration.
func (h *Host) Configure(config string) Result {
	h.t.Helper()
	return h.Batch(&abi.Configure{JSON: []byte(config)})
}

// Batch hands over any events in one batch.
func (h *Host) Batch(events ...abi.Event) Result {
	h.t.Helper()
	for _, e := range events {
		switch e := e.(type) {
		case *abi.Configure:
			h.config = e.JSON
		case *abi.ObjectPut:
			h.objects[objectKey{e.Resource, e.Namespace, e.Name}] = e
		case *abi.ObjectDelete:
			delete(h.objects, objectKey{e.Resource, e.Namespace, e.Name})
		}
	}
	return h.batch(false, events)
}

// Reset hands the whole state to the running module again.
func (h *Host) Reset() Result {
	h.t.Helper()
	return h.batch(true, h.snapshot(nil))
}

// State is what is in force.
func (h *Host) State() State { return h.running.state }

// Rule is the rule of that name in force.
func (h *Host) Rule(name string) (abi.RuleSpec, bool) {
	r, ok := h.running.state.Rules[name]
	return r, ok
}

// Set is the set of that name in force.
func (h *Host) Set(name string) (abi.SetSpec, bool) {
	s, ok := h.running.state.Sets[name]
	return s, ok
}

// Isolation is the isolation of that name in force.
func (h *Host) Isolation(name string) (abi.IsolationSpec, bool) {
	i, ok := h.running.state.Isolations[name]
	return i, ok
}

func (h *Host) batch(reset bool, events []abi.Event) Result {
	h.t.Helper()
	h.sequence++
	result, err := h.running.handle(&abi.EventBatch{Sequence: h.sequence, Reset: reset, Events: events}, h.Refuse)
	if err != nil {
		h.t.Errorf("batch %d cannot be committed: %v", h.sequence, err)
	}
	if result.Code == abi.Commit && err == nil && !h.NoResetCheck {
		h.checkReset()
	}
	return result
}

// checkReset compares with fresh instances that are handed the objects sorted,
// backwards and shuffled.
func (h *Host) checkReset() {
	h.t.Helper()
	for order, arrange := range map[string]func([]*abi.ObjectPut){
		"sorted":    nil,
		"backwards": slices.Reverse[[]*abi.ObjectPut],
		"shuffled": func(list []*abi.ObjectPut) {
			rand.New(rand.NewPCG(h.sequence, 0)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		},
	} {
		fresh := start(h.make())
		result, err := fresh.handle(&abi.EventBatch{Sequence: 1, Reset: true, Events: h.snapshot(arrange)}, h.Refuse)
		if err != nil || result.Code != abi.Commit {
			h.t.Errorf("after batch %d a fresh instance that is handed the whole state (%s) returns %d: %v %q", h.sequence, order, result.Code, err, result.Logs)
			continue
		}
		if d := difference(h.running.state, fresh.state, "by history", "by reset"); d != "" {
			h.t.Errorf("after batch %d the module has other requests in force than a fresh instance that is handed the whole state (%s):\n%s", h.sequence, order, d)
		}
	}
}

func (h *Host) snapshot(arrange func([]*abi.ObjectPut)) []abi.Event {
	list := slices.SortedFunc(maps.Values(h.objects), func(a, b *abi.ObjectPut) int {
		for _, c := range []int{strings.Compare(a.Resource, b.Resource), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name)} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	if arrange != nil {
		arrange(list)
	}
	events := []abi.Event{&abi.Configure{JSON: h.config}}
	for _, o := range list {
		events = append(events, o)
	}
	return events
}

// ObjectPut makes the event of an object in JSON.
func ObjectPut(t testing.TB, resource, object string) *abi.ObjectPut {
	t.Helper()
	var o struct {
		Metadata struct {
			Namespace, Name, UID string
			Generation           int64
		}
	}
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		t.Fatalf("object of %s: %v", resource, err)
	}
	if o.Metadata.Name == "" {
		t.Fatalf("object of %s has no metadata.name", resource)
	}
	return &abi.ObjectPut{
		Resource: resource, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
		UID: o.Metadata.UID, Generation: o.Metadata.Generation, JSON: []byte(object),
	}
}
