package agent

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/catalog"
	"github.com/sluice-net/sluice/host/plugin"
)

// ModuleSpecs are the modules of the configuration as the supervisor wants them.
// Orders are made distinct: the place in the list decides between equals.
func ModuleSpecs(modules []ModuleConfig, builtin func(string) ([]byte, error)) ([]plugin.Spec, error) {
	var specs []plugin.Spec
	for i, m := range modules {
		spec := plugin.Spec{
			Name: m.Name, Order: m.Order*len(modules) + i, Path: m.Source.File, Digest: m.Source.Digest, Config: m.Config,
			InsteadOf: m.InsteadOf, Rollout: plugin.Rollout(m.Rollout),
			Grant: catalog.All(),
		}
		if m.Mode == Shadow {
			spec.Mode = plugin.Shadow
		}
		if m.Grant != nil {
			spec.Grant = plugin.Grant{Resources: m.Grant.Resources, Tiers: m.Grant.Tiers, Actions: m.Grant.Actions, Limits: m.Grant.Limits}
		}
		spec.From = cmp.Or(m.Source.Builtin, m.Source.File, m.Source.OCI)
		if m.Source.Builtin != "" {
			spec.From = "builtin " + spec.From // as a PolicyModule's
			wasm, err := builtin(m.Source.Builtin)
			if err != nil {
				return nil, fmt.Errorf("modules[%d].source.builtin: %w", i, err)
			}
			spec.Wasm = wasm
		}
		if m.Source.OCI != "" {
			spec.Fetch = m.Source.fetch()
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// Watched are the resources that modules ask for and are granted, as far as
// their files can be had now: of a module whose registry does not answer within
// firstFetch, and that is not kept from before, those that its grant names. A
// module that is only replaced by one that asks for more gets that after the
// agent's next start.
func Watched(ctx context.Context, specs []plugin.Spec) []string {
	var out []string
	for _, spec := range specs {
		for _, r := range asked(ctx, spec) {
			granted := slices.Contains(spec.Grant.Resources, "*") || slices.Contains(spec.Grant.Resources, r)
			if r != "*" && r != abi.DNSAnswers && granted && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// firstFetch is how long the agent's start waits for a registry.
const firstFetch = 5 * time.Second

// asked are the resources of a module's manifest. What is wrong with the module
// is the supervisor's to tell.
func asked(ctx context.Context, spec plugin.Spec) []string {
	wasm := spec.Wasm
	switch {
	case spec.Path != "":
		wasm, _ = os.ReadFile(spec.Path)
	case spec.Fetch != nil:
		ctx, cancel := context.WithTimeout(ctx, firstFetch)
		defer cancel()
		var err error
		if wasm, err = spec.Fetch(ctx); err != nil {
			return named(spec.Grant.Resources)
		}
	}
	b, err := binary.Inspect(wasm)
	if err != nil || b.Manifest == nil {
		return nil
	}
	m, err := binary.ParseManifest(b.Manifest)
	if err != nil {
		return nil
	}
	return m.Resources
}
