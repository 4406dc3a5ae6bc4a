package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
)

// guest runs the real Wasm file of the module under a host of three functions.
type guest struct {
	t        *testing.T
	module   api.Module
	batch    []byte
	emitted  [][]byte
	answer   abi.EmitError
	logs     []string
	recvs    int
	surprise int // bytes by which the batch has grown when recv is called
}

func build(t *testing.T) []byte {
	t.Helper()
	// The Wasm side of the SDK is no part of this test binary. Reading its source
	// tells "go test" to run again when it changes.
	if _, err := os.ReadFile("../abi_wasip1.go"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "example.wasm")
	for _, c := range []*exec.Cmd{
		exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", path, "."),
		exec.Command("go", "run", "../cmd/sluice-manifest", "-manifest", "manifest.json", "-in", path, "-out", path),
	} {
		c.Env = os.Environ()
		if c.Args[1] == "build" {
			c.Env = append(c.Env, "GOOS=wasip1", "GOARCH=wasm")
		}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func start(t *testing.T, wasm []byte) *guest {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(64<<20/65536))
	t.Cleanup(func() { r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	g := &guest{t: t}
	_, err := r.NewHostModuleBuilder("sluice").
		NewFunctionBuilder().WithFunc(g.recv).Export("recv").
		NewFunctionBuilder().WithFunc(g.emit).Export("emit").
		NewFunctionBuilder().WithFunc(g.log).Export("log").
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	g.module, err = r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().
		WithStartFunctions("_initialize").WithStderr(os.Stderr).WithSysNanotime().WithSysWalltime())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guest) recv(_ context.Context, m api.Module, ptr, size uint32) int32 {
	g.recvs++
	if int(size) < len(g.batch) {
		return abi.RecvSmall
	}
	if !m.Memory().Write(ptr, g.batch) {
		g.t.Error("recv: buffer is outside of memory")
	}
	return int32(len(g.batch))
}

func (g *guest) emit(_ context.Context, m api.Module, ptr, size uint32) int32 {
	b, ok := m.Memory().Read(ptr, size)
	if !ok {
		g.t.Error("emit: buffer is outside of memory")
	}
	g.emitted = append(g.emitted, slices.Clone(b))
	return int32(g.answer)
}

func (g *guest) log(_ context.Context, m api.Module, level int32, ptr, size uint32) {
	b, ok := m.Memory().Read(ptr, size)
	if !ok {
		g.t.Error("log: text is outside of memory")
	}
	g.logs = append(g.logs, fmt.Sprint(level, " ", string(b)))
}

func (g *guest) handle(batch *abi.EventBatch) int32 {
	g.t.Helper()
	g.batch = abi.AppendEventBatch(g.batch[:0], batch)
	g.emitted, g.logs, g.recvs = g.emitted[:0], nil, 0
	result, err := g.module.ExportedFunction("sluice_handle").Call(context.Background(), uint64(len(g.batch)-g.surprise))
	if err != nil {
		g.t.Fatal(err)
	}
	return api.DecodeI32(result[0])
}

func (g *guest) requests() []abi.Request {
	g.t.Helper()
	var all []abi.Request
	for _, b := range g.emitted {
		if err := abi.DecodeRequests(b, func(r abi.Request) error { all = append(all, r); return nil }); err != nil {
			g.t.Fatal(err)
		}
	}
	return all
}

func namespace(i int, closed bool) *abi.ObjectPut {
	name := fmt.Sprintf("ns-%05d", i)
	return &abi.ObjectPut{
		Resource: "namespaces", Name: name, UID: name, Generation: 1,
		JSON: fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"labels":{"kubernetes.io/metadata.name":%q,"example.sluice.net/closed":"%v"}},"spec":{"finalizers":["kubernetes"]}}`, name, name, closed),
	}
}

func TestWasm(t *testing.T) {
	wasm := build(t)

	t.Run("file", func(t *testing.T) {
		b, err := binary.Inspect(wasm)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{abi.Marker, "sluice_handle", "_initialize"} {
			if !b.HasExport(name, binary.Function) {
				t.Errorf("%s is not exported", name)
			}
		}
		if !b.HasExport("memory", binary.Memory) {
			t.Error("memory is not exported")
		}
		if b.Size > 4<<20 {
			t.Errorf("%d bytes: something large has been linked in", b.Size)
		}
		ours := 0
		for _, i := range b.Imports {
			if i.Module == "sluice" {
				ours++
			} else if i.Module != "wasi_snapshot_preview1" {
				t.Errorf("imports %s.%s", i.Module, i.Name)
			}
		}
		if ours != 3 {
			t.Errorf("%d imports from sluice, want recv, emit and log", ours)
		}
		m, err := binary.ParseManifest(b.Manifest)
		if err != nil || m.Name != "example" {
			t.Errorf("manifest %s: %v", b.Manifest, err)
		}
		text, err := os.ReadFile("manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if json.Unmarshal(text, &want) != nil || json.Unmarshal(b.Manifest, &got) != nil || !reflect.DeepEqual(want, got) {
			t.Errorf("manifest in the file is %s", b.Manifest)
		}
		t.Logf("%d bytes, %d imports", b.Size, len(b.Imports))
	})

	t.Run("batches", func(t *testing.T) {
		g := start(t, wasm)
		if code := g.handle(&abi.EventBatch{Sequence: 1, Reset: true, Events: []abi.Event{&abi.Configure{}, namespace(1, true)}}); code != abi.Commit {
			t.Fatalf("returns %d, logs %q", code, g.logs)
		}
		want := []abi.Request{
			&abi.PutSet{Name: "namespace/ns-00001", Spec: &abi.Pods{Namespaces: []string{"ns-00001"}}},
			&abi.PutIsolation{Name: "namespace/ns-00001", Spec: abi.IsolationSpec{
				Tier: abi.Baseline, Direction: abi.Ingress, Subjects: []string{"namespace/ns-00001"},
				Origin: abi.Origin{Resource: "namespaces", Name: "ns-00001", Rule: "metadata.labels"},
			}},
			&abi.PutRule{Name: "namespace/ns-00001", Spec: abi.RuleSpec{
				Tier: abi.Baseline, Direction: abi.Ingress, Action: abi.Allow,
				Subjects: []string{"namespace/ns-00001"}, Peers: []string{"namespace/ns-00001"},
				Origin: abi.Origin{Resource: "namespaces", Name: "ns-00001"},
			}},
		}
		if got := g.requests(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}

		// A refusal voids the batch, is logged, and is made up for by the next one.
		g.answer = abi.Quota
		if code := g.handle(&abi.EventBatch{Sequence: 2, Events: []abi.Event{namespace(2, false)}}); code != abi.CannotDo {
			t.Errorf("returns %d for a refused request", code)
		}
		if len(g.logs) != 1 || g.logs[0] != "3 the host refuses: over a limit of this module (-4)" {
			t.Errorf("logs %q", g.logs)
		}
		g.answer = abi.OK
		if code := g.handle(&abi.EventBatch{Sequence: 3, Events: []abi.Event{&abi.ObjectDelete{Resource: "namespaces", Name: "ns-00001"}}}); code != abi.Commit {
			t.Errorf("returns %d", code)
		}
		want = []abi.Request{
			&abi.DeleteRule{Name: "namespace/ns-00001"},
			&abi.DeleteIsolation{Name: "namespace/ns-00001"},
			&abi.DeleteSet{Name: "namespace/ns-00001"},
			&abi.PutSet{Name: "namespace/ns-00002", Spec: &abi.Pods{Namespaces: []string{"ns-00002"}}},
			&abi.PutRule{Name: "namespace/ns-00002", Spec: abi.RuleSpec{
				Tier: abi.Baseline, Direction: abi.Ingress, Action: abi.Allow,
				Subjects: []string{"namespace/ns-00002"}, Peers: []string{"namespace/ns-00002"},
				Origin: abi.Origin{Resource: "namespaces", Name: "ns-00002"},
			}},
		}
		if got := g.requests(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}

		// The length handed to sluice_handle is too small: recv says so, and
		// the guest's buffer grows.
		big := namespace(4, false)
		big.JSON = append(big.JSON, make([]byte, 100_000)...)
		for i := len(big.JSON) - 100_000; i < len(big.JSON); i++ {
			big.JSON[i] = ' '
		}
		g.surprise = 99_000
		if code := g.handle(&abi.EventBatch{Sequence: 4, Events: []abi.Event{big}}); code != abi.Commit || g.recvs < 2 {
			t.Errorf("returns %d after %d calls of recv", code, g.recvs)
		}
		g.surprise = 0

		// A batch that does not decode is fatal.
		g.batch = append(g.batch[:0], 0xff)
		g.logs = nil
		result, err := g.module.ExportedFunction("sluice_handle").Call(context.Background(), 1)
		if err != nil || api.DecodeI32(result[0]) < 2 || len(g.logs) != 1 {
			t.Errorf("garbage: returns %d, %v, logs %q", result, err, g.logs)
		}
	})

	t.Run("snapshot", func(t *testing.T) {
		g := start(t, wasm)
		batch := &abi.EventBatch{Sequence: 1, Reset: true, Events: []abi.Event{&abi.Configure{}}}
		for i := range 11_000 {
			batch.Events = append(batch.Events, namespace(i, i%2 == 0))
		}
		for range 5 {
			began := time.Now()
			code := g.handle(batch)
			took := time.Since(began)
			if code != abi.Commit {
				t.Fatalf("returns %d, logs %q", code, g.logs)
			}
			if n := len(g.requests()); n != 11_000*2+5_500 {
				t.Fatalf("%d requests", n)
			}
			for _, b := range g.emitted {
				if len(b) > 256<<10 {
					t.Errorf("a call of emit carries %d bytes", len(b))
				}
			}
			t.Logf("memory %d KiB after a snapshot of %d KiB, which took %v", g.module.Memory().Size()>>10, len(g.batch)>>10, took)
		}
	})

	t.Run("memory stays flat", func(t *testing.T) {
		g := start(t, wasm)
		batch := &abi.EventBatch{Sequence: 1, Reset: true, Events: []abi.Event{&abi.Configure{}}}
		for i := range 1000 {
			batch.Events = append(batch.Events, namespace(i, false))
		}
		if code := g.handle(batch); code != abi.Commit {
			t.Fatalf("returns %d, logs %q", code, g.logs)
		}
		const warm, batches = 100, 1000
		var before uint32
		for n := range batches {
			batch.Sequence++
			batch.Reset = false
			batch.Events = batch.Events[:0]
			for i := range 100 {
				batch.Events = append(batch.Events, namespace((n*100+i)%1000, n%20 < 10))
			}
			if code := g.handle(batch); code != abi.Commit {
				t.Fatalf("batch %d returns %d, logs %q", n, code, g.logs)
			}
			if n == warm {
				before = g.module.Memory().Size()
			}
		}
		after := g.module.Memory().Size()
		t.Logf("%d KiB after %d batches, %d KiB after %d", before>>10, warm, after>>10, batches)
		// One object leaked per event would be 10 MiB. When Go collects garbage is a
		// matter of time, and so is where between the two this ends.
		if after > before+2<<20 {
			t.Errorf("memory grew by %d KiB between batch %d and %d", (after-before)>>10, warm, batches)
		}
	})
}
