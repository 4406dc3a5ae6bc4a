package main

import (
	"testing"

	"github.com/sluice-net/sluice/sdk/go/moduletest"
)

func TestModule(t *testing.T) {
	h := moduletest.New(t, newModule)
	h.Put("namespaces",
		`{"metadata":{"name":"shop","labels":{"example.sluice.net/closed":"true"}}}`,
		`{"metadata":{"name":"stock"}}`)
	if _, ok := h.Rule("namespace/shop"); !ok {
		t.Error("no rule for shop")
	}
	if _, ok := h.Isolation("namespace/shop"); !ok {
		t.Error("shop is open")
	}
	if _, ok := h.Isolation("namespace/stock"); ok {
		t.Error("stock is closed")
	}

	// Opening it takes the isolation away and touches nothing else.
	r := h.Put("namespaces", `{"metadata":{"name":"shop","labels":{"example.sluice.net/closed":"no"}}}`)
	if len(r.Requests) != 1 {
		t.Errorf("%d requests, want 1", len(r.Requests))
	}
	if _, ok := h.Isolation("namespace/shop"); ok {
		t.Error("shop is still closed")
	}

	r = h.Put("namespaces", `{"metadata":{"name":"shop","labels":{"example.sluice.net/closed":true}}}`)
	reports := r.Reports()
	if len(reports) != 1 || reports[0].Condition.Message != "metadata.labels.example.sluice.net/closed at offset 65: found 't' where a string should be" {
		t.Errorf("reports: %+v", reports)
	}

	h.Delete("namespaces", "", "stock")
	h.Delete("namespaces", "", "shop")
	if s := h.State(); len(s.Sets)+len(s.Rules)+len(s.Isolations) != 0 {
		t.Errorf("left over: %+v", s)
	}
}
