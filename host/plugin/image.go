package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

// image is one version of a module's bytes: what a generation is loaded from.
// It does not change.
type image struct {
	number int    // of the generation, counted from 1 per module
	digest string // "sha256:..."
	wasm   []byte

	manifest *abi.Manifest
	effective
}

// effective is what a generation may do: what it asks for and is granted.
type effective struct {
	resources  map[string]bool
	grant      policy.Grant
	limits     abi.Limits
	notGranted []string // what it asked for in vain
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Verify says why no agent would load this module, whatever it is granted.
func Verify(wasm []byte) error {
	return (&image{wasm: wasm}).verify(Grant{Resources: []string{"*"}}, Options{}.withDefaults().Limits)
}

// DefaultLimits are those that a module gets if the operator sets none.
func DefaultLimits(m *abi.Manifest) abi.Limits {
	limits := Options{}.withDefaults().Limits
	if m.Limits != nil {
		return atMost(*m.Limits, limits)
	}
	return limits
}

// verify reads everything about a module that can be known without running it.
func (i *image) verify(granted Grant, limits abi.Limits) error {
	if len(i.wasm) > sandbox.MaxModuleSize {
		return tooLarge(int64(len(i.wasm)))
	}
	found, err := binary.Inspect(i.wasm)
	if err != nil {
		return fmt.Errorf("is not a WebAssembly module: %w", err)
	}
	if !found.HasExport(abi.Marker, binary.Function) {
		return fmt.Errorf("does not speak this host's ABI: it exports no function %s", abi.Marker)
	}
	if !found.HasExport("sluice_handle", binary.Function) {
		return errors.New("exports no function sluice_handle: there is nothing to call")
	}
	if !found.HasExport("memory", binary.Memory) {
		return errors.New(`exports no memory named "memory"`)
	}
	if err := sandbox.CheckImports(found); err != nil {
		return err
	}
	if found.Manifest == nil {
		return fmt.Errorf("has no custom section %s, which says what it wants to watch and to do: add it with sluice-manifest", abi.ManifestSection)
	}
	if i.manifest, err = binary.ParseManifest(found.Manifest); err != nil {
		return err
	}
	if i.effective, err = cut(i.manifest, granted, limits); err != nil {
		return err
	}
	// A capability is had only by who imports it, so that an operator can see it
	// in the file.
	if i.resources[abi.DNSAnswers] && !sandbox.Imports(found, sandbox.DNSModule) {
		delete(i.resources, abi.DNSAnswers)
		i.notGranted = append(i.notGranted, fmt.Sprintf("resource %s: it does not import %s.enable", abi.DNSAnswers, sandbox.DNSModule))
	}
	return nil
}

func tooLarge(size int64) error {
	return fmt.Errorf("is %d bytes long; the limit is %d", size, sandbox.MaxModuleSize)
}

// cut returns what the manifest asks for and the operator grants.
func cut(m *abi.Manifest, granted Grant, limits abi.Limits) (effective, error) {
	e := effective{resources: make(map[string]bool)}
	for _, r := range m.Resources {
		if slices.Contains(granted.Resources, r) || slices.Contains(granted.Resources, "*") {
			e.resources[r] = true
		} else {
			e.notGranted = append(e.notGranted, "resource "+r)
		}
	}
	both := func(what string, asked, given []string) (list []string) {
		for _, word := range asked {
			if slices.Contains(given, word) {
				list = append(list, word)
			} else {
				e.notGranted = append(e.notGranted, what+" "+word)
			}
		}
		return list
	}
	var err error
	e.grant, err = policy.GrantOf(both("tier", m.Tiers, granted.Tiers), both("action", m.Actions, granted.Actions))
	if err != nil {
		return e, err
	}
	e.limits = limits
	if m.Limits != nil {
		e.limits = atMost(*m.Limits, limits)
	}
	return e, nil
}

func (e *effective) batchTimeout() time.Duration {
	return time.Duration(e.limits.BatchMillis) * time.Millisecond
}

func (e *effective) snapshotTimeout() time.Duration {
	return time.Duration(e.limits.SnapshotMillis) * time.Millisecond
}
