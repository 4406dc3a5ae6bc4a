package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/modules/networkpolicy/wasmtest"
	"github.com/sluice-net/sluice/sdk/go/moduletest"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"example.com", "example.com", true},
		{"example.com", "www.example.com", false},
		{"*.example.com", "www.example.com", true},
		{"*.example.com", "a.b.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "badexample.com", false},
		{"*.com", "example.com", true},
		{"*.com", "com", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%s and %s: %v", c.pattern, c.name, got)
		}
		if got := slices.Contains(slices.Collect(patternsOf(c.name)), c.pattern); got != c.want {
			t.Errorf("the patterns of %s hold %s: %v", c.name, c.pattern, got)
		}
	}
	for _, bad := range []string{"", "*", "*.", "a..b", "A.b", "a.*.b", "*.*.b", "ä.de", strings.Repeat("a", 64) + ".de", strings.Repeat("a.", 130)} {
		if checkPattern(bad) == "" {
			t.Errorf("%q is taken for a pattern", bad)
		}
	}
}

func object(name, spec string) *abi.ObjectPut {
	return &abi.ObjectPut{
		Resource: Resource, Namespace: "shop", Name: name, UID: name,
		JSON: fmt.Appendf(nil, `{"apiVersion":"policy.sluice.dev/v1alpha1","kind":"FQDNPolicy","metadata":{"name":%q,"namespace":"shop"},"spec":%s}`, name, spec),
	}
}

func answer(name string, addresses ...string) *abi.ObjectPut {
	text, err := json.Marshal(map[string]any{"name": name, "addresses": addresses})
	if err != nil {
		panic(err)
	}
	return &abi.ObjectPut{Resource: abi.DNSAnswers, Name: name, UID: name, JSON: text}
}

func blocksOf(t *testing.T, h *moduletest.Host, pattern string) (list []string) {
	t.Helper()
	set, ok := h.State().Sets[setName(pattern)].(*abi.Addresses)
	if !ok {
		t.Fatalf("there is no set for %s among %v", pattern, h.State().Sets)
	}
	for _, b := range set.Blocks {
		list = append(list, b.CIDR)
	}
	return list
}

func TestAddressesFollowNames(t *testing.T) {
	h := moduletest.New(t, newModule)
	h.Batch(answer("early.example.com", "192.0.2.9"))
	h.Batch(object("p", `{"podSelector":{},"egress":[{"names":["*.example.com","one.test"],"ports":[{"port":443}]}]}`))
	s := h.State()
	rule := s.Rules["shop/p/egress[0]"]
	if len(s.Rules) != 1 || len(s.Isolations) != 1 || !slices.Equal(rule.Peers, []string{"name/*.example.com", "name/one.test"}) ||
		len(rule.Ports) != 1 || rule.Ports[0].First != 443 || rule.Action != abi.Allow || rule.Direction != abi.Egress {
		t.Errorf("the policy became %+v", s)
	}
	if got := blocksOf(t, h, "*.example.com"); !slices.Equal(got, []string{"192.0.2.9/32"}) {
		t.Errorf("a name that was known before the policy has %v", got)
	}
	if got := blocksOf(t, h, "one.test"); len(got) != 0 {
		t.Errorf("a name that nobody has asked for has %v", got)
	}
	h.Batch(answer("a.b.example.com", "2001:db8::1", "192.0.2.1"), answer("one.test", "192.0.2.2"), answer("else.test", "192.0.2.3"))
	if got := blocksOf(t, h, "*.example.com"); !slices.Equal(got, []string{"192.0.2.1/32", "192.0.2.9/32", "2001:db8::1/128"}) {
		t.Errorf("the names below example.com have %v", got)
	}
	h.Batch(&abi.ObjectDelete{Resource: abi.DNSAnswers, Name: "early.example.com"}, answer("one.test", "192.0.2.22"))
	if got := append(blocksOf(t, h, "*.example.com"), blocksOf(t, h, "one.test")...); !slices.Equal(got, []string{"192.0.2.1/32", "2001:db8::1/128", "192.0.2.22/32"}) {
		t.Errorf("after changes the names have %v", got)
	}
	// An address that belongs to a name already costs nothing.
	if r := h.Batch(answer("c.example.com", "192.0.2.1")); len(r.Requests) != 0 {
		t.Errorf("a known address led to %v", r.Requests)
	}
	h.Batch(&abi.ObjectDelete{Resource: Resource, Namespace: "shop", Name: "p"})
	if s := h.State(); len(s.Rules)+len(s.Sets)+len(s.Isolations) != 0 {
		t.Errorf("after the end of the policy there is %+v", s)
	}
}

func TestBadPolicies(t *testing.T) {
	for spec, want := range map[string]string{
		`{"podSelector":{},"egress":[{"ports":[{"port":443}]}]}`:                 "spec.egress[0].names",
		`{"podSelector":{},"egress":[{"names":["*"]}]}`:                          "spec.egress[0].names[0]",
		`{"podSelector":{},"egress":[{"names":["a.*.com"]}]}`:                    "spec.egress[0].names[0]",
		`{"podSelector":{},"egress":[{"names":["a.com"],"ports":[{"port":0}]}]}`: "spec.egress[0].ports[0].port",
		`{"selector":{}}`: "spec",
	} {
		h := moduletest.New(t, newModule)
		h.Batch(object("p", `{"podSelector":{},"egress":[{"names":["good.test"]}]}`))
		h.NoResetCheck = true // a fresh module has nothing to keep of an invalid object
		reports := h.Batch(object("p", spec)).Reports()
		if len(reports) != 1 || reports[0].Condition.True || !strings.HasPrefix(reports[0].Condition.Message, want) {
			t.Errorf("%s: the author is told %+v, not about %s", spec, reports, want)
		}
		if s := h.State(); len(s.Rules) != 1 || s.Sets[setName("good.test")] == nil {
			t.Errorf("%s: of what it said before there is left %+v", spec, s)
		}
	}
}

// TestHistoriesEndLikeSnapshots: moduletest holds what is in force after each
// batch against fresh instances.
func TestHistoriesEndLikeSnapshots(t *testing.T) {
	h := moduletest.New(t, newModule)
	random := rand.New(rand.NewPCG(1, 1))
	names := []string{"a.test", "b.test", "x.a.test", "y.x.a.test"}
	patterns := []string{"a.test", "*.a.test", "*.test", "b.test"}
	for range 200 {
		var events []abi.Event
		for range 1 + random.IntN(4) {
			name := names[random.IntN(len(names))]
			policy := fmt.Sprintf("p%d", random.IntN(4))
			switch random.IntN(4) {
			case 0:
				events = append(events, answer(name, fmt.Sprintf("192.0.2.%d", random.IntN(5)), "2001:db8::1"))
			case 1:
				events = append(events, &abi.ObjectDelete{Resource: abi.DNSAnswers, Name: name})
			case 2:
				events = append(events, object(policy, fmt.Sprintf(`{"podSelector":{},"egress":[{"names":[%q,%q]}]}`, patterns[random.IntN(4)], patterns[random.IntN(4)])))
			case 3:
				events = append(events, &abi.ObjectDelete{Resource: Resource, Namespace: "shop", Name: policy})
			}
		}
		h.Batch(events...)
	}
}

// TestWasmImportsTheCapability: else the host would hand it no name.
func TestWasmImportsTheCapability(t *testing.T) {
	built := wasmtest.Build(t)
	found, err := binary.Inspect(built.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(found.Imports, func(i binary.Import) bool { return i.Module == "sluice_dns" && i.Name == "enable" }) {
		t.Errorf("it imports %+v", found.Imports)
	}
	in := built.Run(t)
	code, requests := in.Handle(t, &abi.EventBatch{Reset: true, Events: []abi.Event{
		&abi.Configure{}, object("p", `{"podSelector":{},"egress":[{"names":["a.test"]}]}`), answer("a.test", "192.0.2.1"),
	}})
	if code != abi.Commit || len(requests) == 0 {
		t.Errorf("it answered %d with %d bytes", code, len(requests))
	}
	text, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := binary.ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{Resource, abi.DNSAnswers}; !slices.Equal(m.Resources, want) {
		t.Errorf("the manifest asks for %v, not %v", m.Resources, want)
	}
}
