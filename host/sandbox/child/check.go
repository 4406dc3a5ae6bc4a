package child

import (
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/sandbox"
)

// checkBinary refuses a module before anything of it is compiled. The agent has
// made the same check; it costs little to make it on both sides of the border.
func checkBinary(wasm []byte) error {
	found, err := binary.Inspect(wasm)
	if err != nil {
		return fmt.Errorf("is not a WebAssembly module: %w", err)
	}
	return sandbox.CheckImports(found)
}

// checkTypes checks what a compiled module offers and wants. That it imports
// nothing unknown was checked on the binary; here the engine's own reading of it
// is held against the same list.
func checkTypes(compiled wazero.CompiledModule) error {
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if err := sandbox.CheckImport(module, name); err != nil {
			return err
		}
	}
	if len(compiled.ImportedMemories()) > 0 {
		return fmt.Errorf("imports a memory: it must define and export its own, named %q", "memory")
	}
	if _, ok := compiled.ExportedMemories()["memory"]; !ok {
		return fmt.Errorf("does not export its memory as %q", "memory")
	}
	for name, want := range map[string]struct{ params, results int }{
		abi.Marker:      {0, 0},
		"sluice_handle": {1, 1},
		"_initialize":   {0, 0},
	} {
		f, ok := compiled.ExportedFunctions()[name]
		if !ok {
			if name == "_initialize" { // optional: only reactors with a runtime have it
				continue
			}
			return fmt.Errorf("does not export the function %s", name)
		}
		if len(f.ParamTypes()) != want.params || len(f.ResultTypes()) != want.results ||
			!onlyI32(f.ParamTypes()) || !onlyI32(f.ResultTypes()) {
			return fmt.Errorf("exports %s with a wrong type: it must take %d and return %d values of type i32", name, want.params, want.results)
		}
	}
	return nil
}

func onlyI32(types []api.ValueType) bool {
	for _, t := range types {
		if t != api.ValueTypeI32 {
			return false
		}
	}
	return true
}
