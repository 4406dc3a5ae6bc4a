package catalog

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/plugin"
)

func newCatalog(floor ...string) *Catalog {
	o := Options{
		Logger: slog.New(slog.DiscardHandler), Hold: floor,
		Sources: Sources{
			Builtin: func(string) ([]byte, error) { return []byte("wasm"), nil },
			OCI:     func(string, string, string) plugin.Fetch { return nil },
		},
	}
	for _, name := range floor {
		o.Floor = append(o.Floor, plugin.Spec{Name: name})
	}
	return New(o)
}

func module(spec string) []byte {
	return []byte(`{"apiVersion":"policy.sluice.dev/v1alpha1","spec":` + spec + `}`)
}

// A PolicyModule that can not be followed is refused with what to do, and the one
// before it stays.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ object, reason, message string }{
		{`{"apiVersion":"policy.sluice.dev/v1beta1","spec":{}}`, ReasonUnsupported, "install the CustomResourceDefinitions of the agent's version"},
		{string(module(`{"source":{"builtin":"a"},"confine":true}`)), ReasonUnsupported, `unknown field "confine"`},
		{string(module(`{"source":{}}`)), ReasonInvalid, "name one of builtin"},
		{string(module(`{"source":{"configMap":{"name":"a"}}}`)), ReasonInvalid, "there are no ConfigMaps without a Kubernetes API"},
		{`{`, ReasonInvalid, "unexpected end"},
	} {
		cat := newCatalog()
		cat.Put("house", Version{"a", 1}, module(`{"source":{"builtin":"a"},"order":3}`))
		cat.Put("house", Version{"a", 2}, []byte(c.object))
		e := cat.Entries()[0]
		if e.Reason != c.reason || !strings.Contains(e.Message, c.message) || e.Version.Generation != 2 {
			t.Errorf("%s: got %+v", c.object, e)
		}
		if w := cat.wanted()["house"]; w == nil || w.Order != 3 || w.generation != 1 {
			t.Errorf("%s: what was before it is %+v", c.object, w)
		}
	}
}

// An object that was deleted and made again is read, although its generation is that of
// the one before.
func TestMadeAgain(t *testing.T) {
	cat := newCatalog()
	cat.Put("house", Version{"first", 1}, module(`{"source":{"builtin":"a"},"order":3}`))
	cat.Put("house", Version{"first", 1}, module(`{"source":{"builtin":"a"},"order":4}`))
	if order := cat.wanted()["house"].Order; order != 3 {
		t.Errorf("the same version was read again: order %d", order)
	}
	cat.Put("house", Version{"second", 1}, module(`{"source":{"builtin":"a"},"order":5}`))
	if order := cat.wanted()["house"].Order; order != 5 {
		t.Errorf("another object of the name is not followed: order %d", order)
	}
}

// What a node waits for before it opens.
func TestHolds(t *testing.T) {
	cat := newCatalog("networkpolicy")
	cat.Put("shadow", Version{"a", 1}, module(`{"source":{"builtin":"a"},"mode":"Shadow"}`))
	cat.Put("optional", Version{"a", 1}, module(`{"source":{"builtin":"a"},"onFirstFailure":"Ignore"}`))
	cat.Put("strict", Version{"a", 1}, module(`{"source":{"builtin":"a"}}`))
	cat.Put("unreadable", Version{"a", 1}, module(`{"source":{"builtin":"a"},"what":1}`))
	cat.Put("nowhere", Version{"a", 1}, module(`{"source":{},"onFirstFailure":"Ignore"}`))
	if got, want := cat.Holds(), []string{"networkpolicy", "strict", "unreadable"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	cat.Put("networkpolicy", Version{"a", 1}, module(`{"source":{"builtin":"a"},"onFirstFailure":"Ignore"}`))
	cat.Delete("strict")
	if got, want := cat.Holds(), []string{"unreadable"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	cat.Delete("networkpolicy")
	if got := cat.Holds(); !slices.Contains(got, "networkpolicy") {
		t.Errorf("without its PolicyModule the floor's module is not waited for: %q", got)
	}
}

func TestGrant(t *testing.T) {
	cat := newCatalog()
	cat.Put("m", Version{"a", 1}, module(`{"source":{"builtin":"a"},"tier":"Admin","limits":{"rules":7},"config":{"a":1},"rollout":{"maxNewDenies":0}}`))
	w := cat.wanted()["m"]
	if !slices.Equal(w.Grant.Tiers, []string{"admin"}) || !slices.Equal(w.Grant.Resources, []string{"*"}) || w.Grant.Limits.Rules != 7 ||
		string(w.Config) != `{"a":1}` || w.Rollout.MaxNewDenies == nil || *w.Rollout.MaxNewDenies != 0 || w.Rollout.MaxNewAllows != nil {
		t.Errorf("got %+v", w)
	}
	cat.Put("m", Version{"a", 2}, module(`{"source":{"builtin":"a"},"grant":{"tiers":["Network"],"actions":["Allow","Deny"]}}`))
	if w := cat.wanted()["m"]; !slices.Equal(w.Grant.Actions, []string{"allow", "deny"}) || len(w.Grant.Resources) != 0 {
		t.Errorf("got %+v", w)
	}
}

// What is kept on disk is what somebody asks for; nobody knows what that is while a
// PolicyModule is not understood.
func TestPins(t *testing.T) {
	const a, b = "sha256:aa", "sha256:bb"
	cat := newCatalog("networkpolicy")
	cat.Put("m", Version{"a", 1}, module(`{"source":{"oci":{"reference":"registry/m@`+a+`"},"digest":"`+b+`"}}`))
	cat.Put("n", Version{"a", 1}, module(`{"source":{"builtin":"a"}}`))
	if pins, known := cat.Pins(); !known || !slices.Equal(pins, []string{b, a}) {
		t.Errorf("got %q, %v", pins, known)
	}
	cat.Put("later", Version{"a", 1}, module(`{"source":{"builtin":"a"},"what":1}`))
	if _, known := cat.Pins(); known {
		t.Error("it is known what a PolicyModule asks for that is not understood")
	}
	cat.Delete("later")
	cat.Delete("m")
	if pins, known := cat.Pins(); !known || len(pins) != 0 {
		t.Errorf("got %q, %v", pins, known)
	}
}
