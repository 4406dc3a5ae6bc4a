package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/scenario"
	"github.com/sluice-net/sluice/sdk/testkit"
)

// conforms asks whether the module keeps to the ABI, with those objects of the
// manifests that it watches. Each check is a line like a scenario's.
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
		r := ScenarioResult{Scenario: "ABI: " + c.Name, Faults: []scenario.Fault{}, abi: true}
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

// checkManifests says what is wrong with the manifests that a person named: what
// does not read, or is none of the module's business, would be left out.
func (f *testFlags) checkManifests(wasm []byte) error {
	if len(f.manifests) == 0 {
		return nil
	}
	_, problems, err := cluster.LoadOnce(f.manifests, resourcesOf(wasm)...)
	switch {
	case err != nil:
		return err
	case len(problems) > 0:
		return errors.New(problems[0].String())
	case len(watched(wasm, f.manifests)) == 0:
		return fmt.Errorf("--manifests %s: nothing there is of a kind that the module watches (see sluicectl module inspect)", strings.Join(f.manifests, ", "))
	}
	return nil
}

// watched are the objects of manifests that a module would be told of. What does
// not read is no loss here: its scenario fails.
func watched(wasm []byte, manifests []string) []*abi.ObjectPut {
	resources := resourcesOf(wasm)
	var objects []*abi.ObjectPut
	for _, one := range manifests {
		events, _, err := cluster.LoadOnce([]string{one}, resources...)
		if err != nil {
			continue
		}
		for _, e := range events {
			if put, is := cluster.ModuleEvent(e).(*abi.ObjectPut); is && slices.Contains(resources, put.Resource) {
				objects = append(objects, put)
			}
		}
	}
	return objects
}

// resourcesOf is what a module watches; of a file that is none, nothing: the
// testkit says what is wrong with it.
func resourcesOf(wasm []byte) []string {
	b, err := binary.Inspect(wasm)
	if err != nil {
		return nil
	}
	manifest, err := binary.ParseManifest(b.Manifest)
	if err != nil {
		return nil
	}
	return manifest.Resources
}
