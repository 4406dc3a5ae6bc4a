package perobject_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/moduletest"
	"github.com/sluice-net/sluice/sdk/go/perobject"
)

const resource = "words.example.org"

// newModule makes a module for objects that hold one word in quotes: a set for
// the word, and an isolation for the object. "bad" cannot be translated.
func newModule() sluice.Module {
	return &perobject.Module{Resource: resource, Translate: func(namespace, name string, json []byte) ([]abi.Request, error) {
		word := string(bytes.Trim(json, `"`))
		if word == "bad" {
			return nil, errors.New("spec.word: is bad")
		}
		set := &abi.PutSet{Name: "word " + word, Spec: &abi.Pods{Namespaces: []string{word}}}
		return []abi.Request{set, &abi.PutIsolation{Name: namespace + "/" + name, Spec: abi.IsolationSpec{
			Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{set.Name},
		}}}, nil
	}}
}

func put(name, word string) abi.Event {
	return &abi.ObjectPut{Resource: resource, Namespace: "shop", Name: name, JSON: []byte(`"` + word + `"`)}
}

func report(name string, c abi.Condition) abi.Report {
	return abi.Report{Object: abi.Origin{Resource: resource, Namespace: "shop", Name: name}, Condition: c}
}

var accepted = abi.Condition{Type: "Accepted", True: true, Reason: "Translated"}

func TestObjectsShareSetsAndLeaveNothingBehind(t *testing.T) {
	h := moduletest.New(t, newModule)
	h.Batch(put("a", "x"), put("b", "x"))
	if s := h.State(); len(s.Sets) != 1 || len(s.Isolations) != 2 {
		t.Fatalf("after two puts: %+v", s)
	}
	h.Batch(put("a", "y"))
	if _, ok := h.Set("word x"); !ok {
		t.Error("the set that b still names is gone")
	}
	h.Delete(resource, "shop", "b")
	if _, ok := h.Set("word x"); ok {
		t.Error("the set that nobody names any more is still there")
	}
	h.Delete(resource, "shop", "a")
	if s := h.State(); len(s.Sets)+len(s.Isolations) != 0 {
		t.Errorf("after the last delete: %+v", s)
	}
}

func TestAnInvalidObjectKeepsWhatItSaidBefore(t *testing.T) {
	h := moduletest.New(t, newModule)
	h.NoResetCheck = true // a fresh module never saw the better version
	h.Batch(put("a", "x"))
	before := h.State()

	got := h.Batch(put("a", "bad"), put("b", "y"))
	want := []abi.Report{
		report("a", abi.Condition{Type: "Accepted", Reason: "Invalid", Message: "spec.word: is bad"}),
		report("b", accepted),
	}
	if got.Code != abi.Commit || !reflect.DeepEqual(got.Reports(), want) {
		t.Errorf("got %d, %+v, want %+v", got.Code, got.Reports(), want)
	}
	if _, ok := h.Isolation("shop/b"); !ok {
		t.Error("the valid object beside the invalid one is not in force")
	}
	for name, isolation := range before.Isolations {
		if now, _ := h.Isolation(name); !reflect.DeepEqual(now, isolation) {
			t.Errorf("isolation %s: was %+v, is %+v", name, isolation, now)
		}
	}

	got = h.Batch(put("a", "z"))
	if want := []abi.Report{report("a", accepted)}; !reflect.DeepEqual(got.Reports(), want) {
		t.Errorf("put right: got %+v, want %+v", got.Reports(), want)
	}
	if now, _ := h.Isolation("shop/a"); !reflect.DeepEqual(now.Subjects, []string{"word z"}) {
		t.Errorf("put right: %+v", now)
	}

	h.Batch(put("a", "bad"))
	h.Delete(resource, "shop", "a")
	if _, ok := h.Isolation("shop/a"); ok {
		t.Error("an invalid object that was deleted is still in force")
	}
}

func TestAnObjectThatWasNeverValidSaysNothing(t *testing.T) {
	h := moduletest.New(t, newModule)
	got := h.Batch(put("a", "bad"))
	if got.Code != abi.Commit || len(got.Requests) != 1 || got.Reports()[0].Condition.True {
		t.Errorf("got %d, %+v", got.Code, got.Requests)
	}
}

func TestOtherResourcesAreIgnored(t *testing.T) {
	h := moduletest.New(t, newModule)
	other := &abi.ObjectPut{Resource: "pods", Namespace: "shop", Name: "a", JSON: []byte(`"x"`)}
	if got := h.Batch(other); got.Code != abi.Commit || len(got.Requests) != 0 {
		t.Errorf("got %d, %+v", got.Code, got.Requests)
	}
	h.Batch(put("a", "x"))
	if got := h.Delete("pods", "shop", "a"); len(got.Requests) != 0 {
		t.Errorf("deleting a Pod of the same name: %+v", got.Requests)
	}
}
