package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/modules/clusternetworkpolicy/translate"
	"github.com/sluice-net/sluice/modules/networkpolicy/wasmtest"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/moduletest"
)

func TestManifestAsksForWhatIsUsedAndNoMore(t *testing.T) {
	text, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := binary.ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(manifest.ABI, manifest.Resources, manifest.Tiers, manifest.Actions)
	if want := "1 [" + translate.Resource + "] [admin baseline] [allow deny pass]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHistoriesEndLikeSnapshots lives through random changes; moduletest holds
// what is in force after each batch against fresh instances.
func TestHistoriesEndLikeSnapshots(t *testing.T) {
	h := moduletest.New(t, newModule)
	random := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		h.Batch(somePolicies(random, 20, 8)...)
	}
	if s := h.State(); len(s.Rules) == 0 || len(s.Isolations) != 0 || len(s.Sets) == 0 || len(s.Sets) >= len(s.Rules) {
		t.Errorf("%d rules, %d isolations, %d sets", len(s.Rules), len(s.Isolations), len(s.Sets))
	}
}

// TestAReportFollowsTheObject: a rule that fails closed is told of until it is
// put right.
func TestAReportFollowsTheObject(t *testing.T) {
	h := moduletest.New(t, newModule)
	closed := policy("p", object{"tier": "Admin", "priority": 1, "subject": object{"namespaces": object{}}, "egress": []any{
		object{"action": "Accept", "to": []any{object{}}},
	}})
	whole := policy("p", object{"tier": "Admin", "priority": 1, "subject": object{"namespaces": object{}}})
	for _, step := range []struct {
		event  abi.Event
		reason string
	}{{closed, "FailedClosed"}, {whole, "Translated"}, {policy("p", object{}), "Invalid"}, {closed, "FailedClosed"}} {
		reports := h.Batch(step.event).Reports()
		if len(reports) != 1 || reports[0].Condition.Reason != step.reason || reports[0].Condition.True != (step.reason != "Invalid") ||
			reports[0].Object != (abi.Origin{Resource: translate.Resource, Name: "p"}) {
			t.Errorf("got %+v, want reason %s", reports, step.reason)
		}
		h.NoResetCheck = step.reason == "Translated" // a fresh module has nothing to keep of an invalid object
	}
}

// TestWasmAnswersLikeGo holds the module in Wasm against the same code in Go,
// byte by byte, over a history with resets.
func TestWasmAnswersLikeGo(t *testing.T) {
	wasm := wasmtest.Build(t).Run(t)
	native := &recorder{}
	instance := sluice.NewInstance(newModule(), native)
	random := rand.New(rand.NewPCG(2, 2))
	emitted := 0
	for i := range 40 {
		batch := &abi.EventBatch{Sequence: uint64(i), Reset: i%10 == 0, Events: somePolicies(random, 30, 20)}
		native.requests = native.requests[:0]
		want := instance.Handle(abi.AppendEventBatch(nil, batch))
		got, requests := wasm.Handle(t, batch)
		if got != want || !bytes.Equal(requests, native.requests) {
			t.Fatalf("batch %d: in Wasm %d and %d bytes, in Go %d and %d bytes", i, got, len(requests), want, len(native.requests))
		}
		emitted += len(requests)
	}
	if emitted < 10_000 {
		t.Errorf("only %d bytes were compared", emitted)
	}
}

// recorder is the imports of the ABI for an instance in Go.
type recorder struct{ requests []byte }

func (r *recorder) Emit(b []byte) abi.EmitError {
	r.requests = append(r.requests, b...)
	return abi.OK
}

func (r *recorder) Log(abi.LogLevel, string) {}

// somePolicies makes n events about policies among names names.
func somePolicies(random *rand.Rand, names, n int) []abi.Event {
	events := make([]abi.Event, 0, n)
	for range n {
		name := fmt.Sprint("p", random.IntN(names))
		if random.IntN(4) == 0 {
			events = append(events, &abi.ObjectDelete{Resource: translate.Resource, Name: name})
		} else {
			events = append(events, policy(name, somePolicy(random)))
		}
	}
	return events
}

type object = map[string]any

func policy(name string, spec object) *abi.ObjectPut {
	text, err := json.Marshal(object{
		"apiVersion": "policy.networking.k8s.io/v1alpha2",
		"kind":       "ClusterNetworkPolicy",
		"metadata":   object{"name": name},
		"spec":       spec,
	})
	if err != nil {
		panic(err) // of maps and strings: it cannot fail
	}
	return &abi.ObjectPut{Resource: translate.Resource, Name: name, JSON: text}
}

func somePolicy(random *rand.Rand) object {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	labels := func() object { return object{"matchLabels": object{pick("app", "tier"): pick("web", "db", "cache")}} }
	rule := func(far string, kinds int) object {
		r := object{"action": pick("Accept", "Deny", "Pass"), "name": pick("", "a-name")}
		var peers, protocols []any
		for range 1 + random.IntN(3) {
			peers = append(peers, []any{
				object{"pods": object{"podSelector": labels()}},
				object{"namespaces": labels()},
				object{},
				object{"nodes": labels()},
				object{"networks": []any{pick("10.0.0.0/8", "fd00::/8"), "192.0.2.0/24"}},
			}[random.IntN(kinds)])
		}
		for range random.IntN(3) {
			protocols = append(protocols, []any{
				object{"tcp": object{"destinationPort": object{"number": 1 + random.IntN(65535)}}},
				object{"udp": object{"destinationPort": object{"range": object{"start": 80, "end": 81 + random.IntN(100)}}}},
				object{"destinationNamedPort": pick("http", "dns")},
			}[random.IntN(3)])
		}
		r[far] = peers
		if protocols != nil {
			r["protocols"] = protocols
		}
		return r
	}
	spec := object{"tier": pick("Admin", "Baseline"), "priority": random.IntN(20), "subject": object{"namespaces": labels()}}
	var ingress, egress []any
	for range random.IntN(3) {
		ingress = append(ingress, rule("from", 3))
	}
	for range random.IntN(3) {
		egress = append(egress, rule("to", 5))
	}
	spec["ingress"], spec["egress"] = ingress, egress
	return spec
}
