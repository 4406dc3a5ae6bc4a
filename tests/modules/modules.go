// Package modules holds small policy modules for tests: one for each way of
// failing, and a few that behave.
//
// Each is a .wat, which says what it does, and the .wasm that wat2wasm makes of
// it. The manifest is added here, so that a test can ask for what it needs. Two
// compile bombs have no .wat, because no text can say them; see bomb.go.
package modules

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
)

//go:embed *.wat *.wasm
var files embed.FS

// Names of all modules that are kept as files.
func Names() ([]string, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, is := strings.CutSuffix(e.Name(), ".wat"); is {
			names = append(names, name)
		}
	}
	return names, nil
}

// Bare returns a module as wat2wasm made it, without a manifest.
func Bare(name string) ([]byte, error) { return files.ReadFile(name + ".wasm") }

// Manifest returns what the modules ask for: Pods, tier network, action allow.
func Manifest() abi.Manifest {
	return abi.Manifest{
		Name: "test", Version: "1", ABI: abi.Version,
		Resources: []string{"pods"}, Tiers: []string{"network"}, Actions: []string{"allow"},
	}
}

// With returns the module wasm with a manifest.
func With(wasm []byte, manifest abi.Manifest) ([]byte, error) {
	text, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	out, err := binary.AppendCustomSection(wasm, abi.ManifestSection, text)
	if err != nil {
		return nil, fmt.Errorf("adding a manifest: %w", err)
	}
	return out, nil
}

// Wasm returns a module with the usual manifest.
func Wasm(name string) ([]byte, error) {
	wasm, err := Bare(name)
	if err != nil {
		return nil, err
	}
	return With(wasm, Manifest())
}
