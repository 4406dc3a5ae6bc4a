package child

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/sandbox"
)

const pagesPerMiB = 16

// guest is the one instance of the module.
type guest struct {
	link *link
	call api.Function

	// inCall is true during sluice_handle; batch is what sluice.recv copies then.
	inCall bool
	batch  []byte
}

// load checks, compiles and starts the module. Termination checks are not
// compiled in (they cost 3 to 8 times the speed and still miss loop-free
// recursion): the agent's deadline is SIGKILL.
func load(ctx context.Context, wasm []byte, limits sandbox.Limits, link *link) (*guest, error) {
	if err := checkBinary(wasm); err != nil {
		return nil, cannotLoad("%v", err)
	}
	extendCPU()
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(reserve))
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(uint32(limits.MemoryMiB)*pagesPerMiB).
		WithDebugInfoEnabled(false))
	g := &guest{link: link}
	if err := g.exportHost(ctx, runtime); err != nil {
		return nil, cannotLoad("preparing the imports: %v", err)
	}
	if _, err := wasi_snapshot_preview1.NewBuilder(runtime).Instantiate(ctx); err != nil {
		return nil, cannotLoad("preparing the imports: %v", err)
	}
	compiled, err := runtime.CompileModule(ctx, wasm)
	if err != nil {
		return nil, cannotLoad("is not a valid module: %s", oneLine(err.Error()))
	}
	if err := checkTypes(compiled); err != nil {
		return nil, cannotLoad("%v", err)
	}
	instance, err := runtime.InstantiateModule(ctx, compiled, g.moduleConfig())
	if err != nil {
		return nil, ended("its start", err)
	}
	g.call = instance.ExportedFunction("sluice_handle")
	return g, nil
}

func (g *guest) moduleConfig() wazero.ModuleConfig {
	return wazero.NewModuleConfig().
		WithName("module").
		WithStartFunctions("_initialize").
		WithStdout(&logWriter{link: g.link, level: abi.LogInfo}).
		WithStderr(&logWriter{link: g.link, level: abi.LogWarn}).
		WithRandSource(rand.Reader).
		WithSysWalltime().WithSysNanotime().
		WithNanosleep(func(ns int64) { time.Sleep(time.Duration(ns)) }).
		WithOsyield(func() {})
}

// handle calls the module for one batch and returns what it returned. The batch
// must stay unchanged until then.
func (g *guest) handle(ctx context.Context, batch []byte) (int32, error) {
	extendCPU()
	g.inCall, g.batch = true, batch
	result, err := g.call.Call(ctx, api.EncodeI32(int32(len(batch))))
	g.inCall, g.batch = false, nil
	if err != nil {
		return 0, ended("sluice_handle", err)
	}
	return api.DecodeI32(result[0]), nil
}

// exportHost provides the three functions of the ABI. A pointer outside the
// module's memory, or a call outside sluice_handle, is a trap: such a module is
// broken, and an error code that it may ignore would hide that.
func (g *guest) exportHost(ctx context.Context, runtime wazero.Runtime) error {
	_, err := runtime.NewHostModuleBuilder(sandbox.HostModule).
		NewFunctionBuilder().WithFunc(g.recv).Export("recv").
		NewFunctionBuilder().WithFunc(g.emit).Export("emit").
		NewFunctionBuilder().WithFunc(g.log).Export("log").
		Instantiate(ctx)
	if err != nil {
		return err
	}
	// A capability that is about events has nothing to do here: that it is imported
	// is what counts.
	_, err = runtime.NewHostModuleBuilder(sandbox.DNSModule).
		NewFunctionBuilder().WithFunc(func() {}).Export("enable").
		Instantiate(ctx)
	return err
}

func (g *guest) recv(_ context.Context, m api.Module, ptr, size uint32) int32 {
	if !g.inCall {
		panic("sluice.recv was called outside sluice_handle")
	}
	if uint64(size) < uint64(len(g.batch)) {
		return abi.RecvSmall
	}
	if !m.Memory().Write(ptr, g.batch) {
		panic("sluice.recv was given a buffer that is not inside the module's memory")
	}
	return int32(len(g.batch))
}

func (g *guest) emit(_ context.Context, m api.Module, ptr, size uint32) int32 {
	if !g.inCall {
		panic("sluice.emit was called outside sluice_handle")
	}
	requests, ok := m.Memory().Read(ptr, size)
	if !ok {
		panic("sluice.emit was given requests that are not inside the module's memory")
	}
	code, err := g.link.emit(requests)
	if err != nil {
		os.Exit(1) // the agent is gone or refuses to talk: nobody is left to tell
	}
	return code
}

func (g *guest) log(_ context.Context, m api.Module, level int32, ptr, size uint32) {
	text, ok := m.Memory().Read(ptr, min(size, sandbox.MaxTextSize))
	if !ok {
		panic("sluice.log was given a text that is not inside the module's memory")
	}
	nearest := max(abi.LogDebug, min(abi.LogLevel(level), abi.LogError))
	if err := g.link.log(nearest, text); err != nil {
		os.Exit(1)
	}
}
