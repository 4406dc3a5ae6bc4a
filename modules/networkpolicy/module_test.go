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
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
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
	if got, want := fmt.Sprint(manifest.ABI, manifest.Resources, manifest.Tiers, manifest.Actions), "1 ["+translate.Resource+"] [network] [allow]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHistoriesEndLikeSnapshots lives through random changes; moduletest holds
// what is in force after each batch against fresh instances.
func TestHistoriesEndLikeSnapshots(t *testing.T) {
	h := moduletest.New(t, newModule)
	random := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		h.Batch(somePolicies(random, 30, 8)...)
	}
	if s := h.State(); len(s.Rules) == 0 || len(s.Isolations) == 0 || len(s.Sets) >= len(s.Rules)+len(s.Isolations) {
		t.Errorf("%d rules, %d isolations, %d sets", len(s.Rules), len(s.Isolations), len(s.Sets))
	}
}

// TestWasmAnswersLikeGo holds the module in Wasm against the same code in Go,
// byte by byte, over a history with resets and invalid objects.
func TestWasmAnswersLikeGo(t *testing.T) {
	wasm := wasmtest.Build(t).Run(t)
	native := &recorder{}
	instance := sluice.NewInstance(newModule(), native)
	random := rand.New(rand.NewPCG(2, 2))
	emitted := 0
	for i := range 40 {
		batch := &abi.EventBatch{Sequence: uint64(i), Reset: i%10 == 0, Events: somePolicies(random, 50, 20)}
		if i%3 == 1 {
			batch.Events = append(batch.Events, invalidPolicy(i))
		}
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
		i := random.IntN(names)
		namespace, name := fmt.Sprint("ns", i%4), fmt.Sprint("p", i)
		if random.IntN(4) == 0 {
			events = append(events, &abi.ObjectDelete{Resource: translate.Resource, Namespace: namespace, Name: name})
		} else {
			events = append(events, put(namespace, name, somePolicy(random)))
		}
	}
	return events
}

func put(namespace, name string, spec any) *abi.ObjectPut {
	object, err := json.Marshal(map[string]any{
		"apiVersion": "networking.k8s.io/v1",
		"kind":       "NetworkPolicy",
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"spec":       spec,
	})
	if err != nil {
		panic(err) // of maps and strings: it cannot fail
	}
	return &abi.ObjectPut{Resource: translate.Resource, Namespace: namespace, Name: name, JSON: object}
}

func invalidPolicy(i int) *abi.ObjectPut {
	return put("ns0", "p0", map[string]any{"ingress": []any{map[string]any{"from": []any{map[string]any{"unknown": i}}}}})
}

type object = map[string]any

func somePolicy(random *rand.Rand) object {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	labels := func() object {
		return object{"matchLabels": object{pick("app", "tier"): pick("web", "db", "cache")}}
	}
	rule := func(far string) object {
		r := object{}
		var peers, ports []any
		for range random.IntN(3) {
			peers = append(peers, []any{
				object{"podSelector": labels()},
				object{"namespaceSelector": object{}, "podSelector": labels()},
				object{"namespaceSelector": labels()},
				object{"ipBlock": object{"cidr": pick("10.0.0.0/8", "fd00::/8"), "except": []any{}}},
				object{"ipBlock": object{"cidr": "192.0.2.0/24", "except": []any{pick("192.0.2.0/25", "192.0.2.128/25")}}},
			}[random.IntN(5)])
		}
		for range random.IntN(3) {
			ports = append(ports, []any{
				object{"port": 1 + random.IntN(65535)},
				object{"port": pick("http", "dns"), "protocol": pick("TCP", "UDP", "SCTP")},
				object{"port": 80, "endPort": 80 + random.IntN(100)},
				object{"protocol": "UDP"},
			}[random.IntN(4)])
		}
		if peers != nil {
			r[far] = peers
		}
		if ports != nil {
			r["ports"] = ports
		}
		return r
	}
	spec := object{"podSelector": labels()}
	var ingress, egress []any
	for range random.IntN(3) {
		ingress = append(ingress, rule("from"))
	}
	for range random.IntN(3) {
		egress = append(egress, rule("to"))
	}
	if ingress != nil {
		spec["ingress"] = ingress
	}
	if egress != nil {
		spec["egress"] = egress
	}
	return spec
}
