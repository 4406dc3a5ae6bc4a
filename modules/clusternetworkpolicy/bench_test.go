package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/wasmtest"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// snapshot is the whole state with 10,000 policies, many more than the priorities
// that there are.
func snapshot() *abi.EventBatch {
	random := rand.New(rand.NewPCG(7, 7))
	batch := &abi.EventBatch{Sequence: 1, Reset: true}
	for i := range 10_000 {
		batch.Events = append(batch.Events, policy(fmt.Sprint("policy-", i), somePolicy(random)))
	}
	return batch
}

func BenchmarkSnapshot10kPoliciesInGo(b *testing.B) {
	encoded := abi.AppendEventBatch(nil, snapshot())
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
	batch := snapshot()
	for b.Loop() {
		if answer, _ := module.Handle(b, batch); answer != abi.Commit {
			b.Fatal(answer)
		}
	}
	b.ReportMetric(float64(len(wasm.Wasm))/1e6, "MB-wasm")
	b.ReportMetric(float64(module.Memory())/(1<<20), "MiB-memory")
}
