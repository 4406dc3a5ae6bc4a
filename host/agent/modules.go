package agent

import (
	"fmt"
	"os"
	"slices"

	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/plugin"
)

// ModuleSpecs are the modules of the configuration as the supervisor wants them.
// Orders are made distinct: the place in the list decides between equals.
func ModuleSpecs(modules []ModuleConfig, builtin func(string) ([]byte, error)) ([]plugin.Spec, error) {
	var specs []plugin.Spec
	for i, m := range modules {
		spec := plugin.Spec{
			Name: m.Name, Order: m.Order*len(modules) + i, Path: m.Source.File, Config: m.Config,
			InsteadOf: m.InsteadOf, Rollout: plugin.Rollout(m.Rollout),
			Grant: plugin.Grant{
				Resources: []string{"*"},
				Tiers:     []string{"admin", "network", "baseline"},
				Actions:   []string{"allow", "deny", "reject", "pass"},
			},
		}
		if m.Mode == Shadow {
			spec.Mode = plugin.Shadow
		}
		if m.Grant != nil {
			spec.Grant = plugin.Grant{Resources: m.Grant.Resources, Tiers: m.Grant.Tiers, Actions: m.Grant.Actions}
		}
		if m.Source.Builtin != "" {
			wasm, err := builtin(m.Source.Builtin)
			if err != nil {
				return nil, fmt.Errorf("modules[%d].source.builtin: %w", i, err)
			}
			spec.Wasm = wasm
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// Watched are the resources that modules ask for and are granted, as far as
// their files can be read now. A module that is only replaced by one that asks
// for more gets that after the agent's next start.
func Watched(specs []plugin.Spec) []string {
	var out []string
	for _, spec := range specs {
		wasm := spec.Wasm
		if spec.Path != "" {
			wasm, _ = os.ReadFile(spec.Path) // what is wrong with it is the supervisor's to tell
		}
		b, err := binary.Inspect(wasm)
		if err != nil || b.Manifest == nil {
			continue
		}
		m, err := binary.ParseManifest(b.Manifest)
		if err != nil {
			continue
		}
		for _, r := range m.Resources {
			granted := slices.Contains(spec.Grant.Resources, "*") || slices.Contains(spec.Grant.Resources, r)
			if r != "*" && granted && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}
