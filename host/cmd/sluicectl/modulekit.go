package main

import (
	"context"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/scenario"
	"github.com/sluice-net/sluice/sdk/testkit"
)

// conforms asks whether the module keeps to the ABI, with the objects of the
// scenarios that it watches. Each check is a line like a scenario's.
func (f *testFlags) conforms(ctx context.Context, m module, manifests []string) ([]ScenarioResult, error) {
	program, err := sandboxProgram(f.sandbox)
	if err != nil {
		return nil, err
	}
	spec, err := f.spec(m.name, m.wasm, 0)
	if err != nil {
		return nil, err
	}
	report, err := testkit.Run(ctx, testkit.Options{Wasm: m.wasm, Sandbox: program, Config: spec.Config, Objects: watched(m.wasm, manifests)})
	if err != nil {
		return nil, err
	}
	var results []ScenarioResult
	for _, c := range report.Checks {
		r := ScenarioResult{Scenario: "ABI: " + c.Name, Faults: []scenario.Fault{}}
		switch c.Result {
		case testkit.Failed:
			r.Error = c.Detail
		case testkit.Skipped:
			r.Scenario += " (skipped: " + c.Detail + ")"
		}
		results = append(results, r)
	}
	return results, nil
}

// watched are the objects of manifests that a module would be told of. What does
// not read is no loss here: its scenario fails.
func watched(wasm []byte, manifests []string) []*abi.ObjectPut {
	b, err := binary.Inspect(wasm)
	if err != nil || len(manifests) == 0 {
		return nil
	}
	manifest, err := binary.ParseManifest(b.Manifest)
	if err != nil {
		return nil
	}
	var objects []*abi.ObjectPut
	for _, one := range manifests {
		events, _, err := cluster.LoadOnce([]string{one}, manifest.Resources...)
		if err != nil {
			continue
		}
		for _, e := range events {
			if put, is := cluster.ModuleEvent(e).(*abi.ObjectPut); is && slices.Contains(manifest.Resources, put.Resource) {
				objects = append(objects, put)
			}
		}
	}
	return objects
}
