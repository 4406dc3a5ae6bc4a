package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
	"github.com/sluice-net/sluice/modules/networkpolicy/wasmtest"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// snapshot is the whole state with n policies: what a module is handed when it
// starts.
func snapshot(n int) *abi.EventBatch {
	random := rand.New(rand.NewPCG(7, 7))
	batch := &abi.EventBatch{Sequence: 1, Reset: true}
	for i := range n {
		batch.Events = append(batch.Events, put(fmt.Sprint("ns", i%100), fmt.Sprint("policy-", i), somePolicy(random)))
	}
	return batch
}

const policies = 10_000

func BenchmarkTranslate10kPolicies(b *testing.B) {
	batch := snapshot(policies)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range batch.Events {
			e := e.(*abi.ObjectPut)
			if _, err := translate.Policy(e.Namespace, e.Name, e.JSON); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSnapshot10kPoliciesInGo(b *testing.B) {
	encoded := abi.AppendEventBatch(nil, snapshot(policies))
	out := &recorder{}
	instance := sluice.NewInstance(newModule(), out)
	b.ReportAllocs()
	for b.Loop() {
		out.requests = out.requests[:0]
		if answer := instance.Handle(encoded); answer != abi.Commit {
			b.Fatal(answer)
		}
	}
	b.ReportMetric(float64(len(encoded))/1e6, "MB-in")
	b.ReportMetric(float64(len(out.requests))/1e6, "MB-out")
}

func BenchmarkSnapshot10kPoliciesInWasm(b *testing.B) {
	wasm := wasmtest.Build(b)
	module := wasm.Run(b)
	batch := snapshot(policies)
	for b.Loop() {
		if answer, _ := module.Handle(b, batch); answer != abi.Commit {
			b.Fatal(answer)
		}
	}
	b.ReportMetric(float64(len(wasm.Wasm))/1e6, "MB-wasm")
	b.ReportMetric(float64(module.Memory())/(1<<20), "MiB-memory")
}

// BenchmarkOneChangeAmong10kInWasm is one policy that changes, the rest stays.
func BenchmarkOneChangeAmong10kInWasm(b *testing.B) {
	module := wasmtest.Build(b).Run(b)
	if answer, _ := module.Handle(b, snapshot(policies)); answer != abi.Commit {
		b.Fatal(answer)
	}
	random := rand.New(rand.NewPCG(8, 8))
	for b.Loop() {
		batch := &abi.EventBatch{Sequence: 2, Events: []abi.Event{put("ns0", "policy-0", somePolicy(random))}}
		if answer, _ := module.Handle(b, batch); answer != abi.Commit {
			b.Fatal(answer)
		}
	}
}
