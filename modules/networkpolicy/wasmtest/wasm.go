// Package wasmtest builds policy modules to Wasm and runs them in the test
// process with the imports of the ABI and of WASI. It has none of the sandbox's
// limits: it is for asking whether a module answers in Wasm what it answers
// natively, and how fast.
package wasmtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sluice-net/sluice/abi"
)

// Module is a built module.
type Module struct {
	Wasm  []byte
	cache wazero.CompilationCache // instances share what was compiled
}

// Build builds the main package in the test's own folder the way the project
// builds modules.
func Build(t testing.TB) *Module {
	t.Helper()
	file := filepath.Join(t.TempDir(), "module.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", file, ".")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the module: %v\n%s", err, out)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	module := &Module{Wasm: wasm, cache: wazero.NewCompilationCache()}
	// The cache forgets what nobody holds: this runtime holds it.
	ctx := context.Background()
	holder := module.runtime(ctx)
	t.Cleanup(func() {
		if err := errors.Join(holder.Close(ctx), module.cache.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	if _, err := holder.CompileModule(ctx, wasm); err != nil {
		t.Fatal(err)
	}
	return module
}

func (m *Module) runtime(ctx context.Context) wazero.Runtime {
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(m.cache))
}

// Instance is one instance of a module.
type Instance struct {
	module  api.Module
	handle  api.Function
	waiting []byte
	emitted []byte

	LargestEmit int // in bytes, of all calls
}

// Run starts an instance, which ends with the test.
func (m *Module) Run(t testing.TB) *Instance {
	t.Helper()
	ctx := context.Background()
	runtime := m.runtime(ctx)
	t.Cleanup(func() {
		if err := runtime.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	in := &Instance{}
	_, err := runtime.NewHostModuleBuilder("sluice").
		NewFunctionBuilder().WithFunc(in.recv).Export("recv").
		NewFunctionBuilder().WithFunc(in.emit).Export("emit").
		NewFunctionBuilder().WithFunc(func(_ context.Context, m api.Module, level, ptr, size uint32) {
		text, _ := m.Memory().Read(ptr, size)
		t.Logf("log level %d: %s", level, text)
	}).Export("log").
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = runtime.NewHostModuleBuilder("sluice_dns").NewFunctionBuilder().WithFunc(func() {}).Export("enable").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	config := wazero.NewModuleConfig().WithStartFunctions("_initialize").WithSysWalltime().WithSysNanotime()
	in.module, err = runtime.InstantiateWithConfig(ctx, m.Wasm, config)
	if err != nil {
		t.Fatal(err)
	}
	if in.module.ExportedFunction(abi.Marker) == nil {
		t.Fatalf("the module does not export %s", abi.Marker)
	}
	in.handle = in.module.ExportedFunction("sluice_handle")
	return in
}

// Handle hands a batch to the module and returns its answer and all that it
// emitted, which is valid until the next call.
func (in *Instance) Handle(t testing.TB, batch *abi.EventBatch) (answer int32, requests []byte) {
	t.Helper()
	in.waiting = abi.AppendEventBatch(in.waiting[:0], batch)
	in.emitted = in.emitted[:0]
	results, err := in.handle.Call(context.Background(), uint64(len(in.waiting)))
	if err != nil {
		t.Fatalf("sluice_handle: %v", err)
	}
	return int32(results[0]), in.emitted
}

// Memory is the size of the module's memory in bytes.
func (in *Instance) Memory() uint32 { return in.module.Memory().Size() }

func (in *Instance) recv(_ context.Context, m api.Module, ptr, size uint32) int32 {
	if int(size) < len(in.waiting) {
		return abi.RecvSmall
	}
	m.Memory().Write(ptr, in.waiting)
	return int32(len(in.waiting))
}

func (in *Instance) emit(_ context.Context, m api.Module, ptr, size uint32) int32 {
	requests, ok := m.Memory().Read(ptr, size)
	if !ok {
		return int32(abi.Malformed)
	}
	in.emitted = append(in.emitted, requests...)
	in.LargestEmit = max(in.LargestEmit, len(requests))
	return int32(abi.OK)
}
