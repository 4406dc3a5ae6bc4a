package recording

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

func put(name string, generation int64) *abi.ObjectPut {
	return &abi.ObjectPut{Resource: "pods", Namespace: "default", Name: name, Generation: generation, JSON: []byte(`{}`)}
}

// TestRingFolds: a recording begins with the state that what fell out of the ring
// led to.
func TestRingFolds(t *testing.T) {
	r := NewRing(1000)
	r.Begin(abi.EventBatch{Sequence: 1, Reset: true, Events: []abi.Event{&abi.Configure{JSON: []byte(`{"a":1}`)}, put("a", 1), put("b", 1)}}, 100).End(0, nil)
	for i := range 20 {
		e := r.Begin(abi.EventBatch{Sequence: uint64(i + 2), Events: []abi.Event{put("a", int64(i+2)), &abi.ObjectDelete{Resource: "pods", Namespace: "default", Name: "b"}}}, 100)
		e.Emitted([]byte(fmt.Sprint(i)), 2, abi.OK)
		e.End(0, nil)
	}
	batches, folded := r.Batches()
	if !folded || len(batches) < 5 || len(batches) > 11 {
		t.Fatalf("folded %v, %d batches", folded, len(batches))
	}
	first, err := abi.DecodeEventBatch(batches[0].Request)
	if err != nil {
		t.Fatal(err)
	}
	second, err := abi.DecodeEventBatch(batches[1].Request)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Reset || first.Sequence+1 != second.Sequence || len(first.Events) != 2 {
		t.Fatalf("first %+v, second %+v", first, second)
	}
	if c, is := first.Events[0].(*abi.Configure); !is || string(c.JSON) != `{"a":1}` {
		t.Errorf("configuration %+v", first.Events[0])
	}
	if p, is := first.Events[1].(*abi.ObjectPut); !is || p.Name != "a" || p.Generation != int64(first.Sequence) {
		t.Errorf("state %+v before batch %d", first.Events[1], second.Sequence)
	}
	last := batches[len(batches)-1]
	if len(last.Calls) != 1 || string(last.Calls[0].Requests) != "19" {
		t.Errorf("last batch %+v", last)
	}
	// A new state makes the past irrelevant.
	r.Begin(abi.EventBatch{Sequence: 22, Reset: true}, 10).End(0, errors.New("trapped"))
	if batches, folded = r.Batches(); folded || len(batches) != 1 || batches[0].Error != "trapped" {
		t.Errorf("after a reset: folded %v, %+v", folded, batches)
	}
	// What killed a generation is kept, however large it is.
	r.Begin(abi.EventBatch{Sequence: 23, Events: []abi.Event{put("a", 9)}}, 5000)
	if batches, folded = r.Batches(); !folded || len(batches) != 2 {
		t.Errorf("after a large one: folded %v, %d batches", folded, len(batches))
	}
}

func TestSaveAndLoad(t *testing.T) {
	r := &Recording{
		Header:  Header{Format: Format, Module: "web", Digest: "sha256:00", Tiers: []string{"admin"}, Limits: abi.Limits{Rules: 3}, Why: "it trapped"},
		Batches: []Batch{{Request: []byte{1, 2}, Calls: []Call{{Requests: []byte{3}, Size: 1, Answer: -3}}, Code: 1}, {Request: []byte{}, Error: "gone"}},
	}
	path := filepath.Join(t.TempDir(), "web.recording")
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	r.Format = 9
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil {
		t.Error("another format was read")
	}
}
