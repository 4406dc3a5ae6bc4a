package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/sandbox"
	"github.com/sluice-net/sluice/sdk/templates"
	"github.com/sluice-net/sluice/sdk/toolchain"
	"github.com/sluice-net/sluice/tests/labtest"
)

type nativeSize struct{ objects int }

func TestNative(t *testing.T) {
	out := newTable()
	native(t, out, nativeSize{objects: 50})
	if len(out.Rows) < 2 {
		t.Errorf("%+v", out.Rows)
	}
	for _, r := range out.Rows {
		if r.Ratio == 0 {
			t.Errorf("%+v", r)
		}
	}
}

// native asks what the sandbox costs: the module that `sluicectl module new` writes,
// which is the same logic in each language, handles the same batches as a program of
// this machine, called by its own test harness, and as Wasm in a real sandbox.
func native(tb testing.TB, out *table, size nativeSize) {
	batches := namespaceBatches(size.objects)
	var missing *toolchain.MissingError
	for _, language := range []toolchain.Language{toolchain.Go, toolchain.Rust, toolchain.C} {
		dir := filepath.Join(tb.TempDir(), "closed")
		sdk, err := filepath.Abs(filepath.Join("..", ".."))
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := templates.Write(dir, language, templates.Values{Name: "closed", SDK: sdk}); err != nil {
			tb.Fatal(err)
		}
		if language == toolchain.Go {
			runIn(tb, dir, nil, "go", "mod", "tidy")
		}
		wasm := filepath.Join(tb.TempDir(), "closed.wasm")
		if err := toolchain.Build(tb.Context(), dir, wasm, nil); errors.As(err, &missing) {
			tb.Log(err)
			continue
		} else if err != nil {
			tb.Fatal(err)
		}
		alone, sandboxed := nativeTimes(tb, language, dir, batches), sandboxTimes(tb, wasm, batches)
		out.add(row{
			Work: fmt.Sprintf("a snapshot of %s objects in the sandbox, module in %s, p50", number(float64(size.objects)), languageName[language]), Unit: "ms",
			Figure: percentile(sandboxed.Snapshot, 50), Peer: "natively", PeerFigure: percentile(alone.Snapshot, 50),
		})
		out.add(row{
			Work: "  one object", Unit: "ms",
			Figure: percentile(sandboxed.Change, 50), Peer: "natively", PeerFigure: percentile(alone.Change, 50),
			Note: fmt.Sprintf("the way into the process and back is part of it: %.0f µs more than natively", 1000*(percentile(sandboxed.Change, 50)-percentile(alone.Change, 50))),
		})
	}
}

var languageName = map[toolchain.Language]string{toolchain.Go: "Go", toolchain.Rust: "Rust", toolchain.C: "C"}

// nativeTimings are of each batch, in nanoseconds when they are JSON.
type nativeTimings struct{ Snapshot, Change []time.Duration }

// namespaceBatches are a snapshot of Namespaces, every other one closed, and changes
// of one each.
func namespaceBatches(objects int) [][]byte {
	put := func(i, generation int) *abi.ObjectPut {
		name := fmt.Sprintf("namespace-%d", i)
		json := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"uid":"11111111-2222-3333-4444-%012d","labels":{`+
			`"kubernetes.io/metadata.name":%q,"team":"team-%d","example.com/closed":"%v"}},"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}`,
			name, i, name, i%teams, (i+generation)%2 == 0)
		return &abi.ObjectPut{Resource: "namespaces", Name: name, UID: name, Generation: int64(generation), JSON: json}
	}
	snapshot := &abi.EventBatch{Sequence: 1, Reset: true, Events: []abi.Event{&abi.Configure{}}}
	for i := range objects {
		snapshot.Events = append(snapshot.Events, put(i, 0))
	}
	batches := [][]byte{abi.AppendEventBatch(nil, snapshot)}
	for i := range 100 {
		change := &abi.EventBatch{Sequence: uint64(2 + i), Events: []abi.Event{put(i/2%objects, 1+i%2)}}
		batches = append(batches, abi.AppendEventBatch(nil, change))
	}
	return batches
}

// nativeTimes compiles the module with a harness of its language and runs it.
func nativeTimes(tb testing.TB, language toolchain.Language, dir string, batches [][]byte) (r nativeTimings) {
	tb.Helper()
	harness := func(name, to string) {
		text, err := os.ReadFile(filepath.Join("testdata", "native", name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, to)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), text, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	var file []byte
	for _, b := range batches {
		file = append(binary.LittleEndian.AppendUint32(file, uint32(len(b))), b...)
	}
	in, times := filepath.Join(tb.TempDir(), "batches"), filepath.Join(tb.TempDir(), "times")
	if err := os.WriteFile(in, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	env := []string{"SLUICE_NATIVE_BATCHES=" + in, "SLUICE_NATIVE_TIMES=" + times}
	switch language {
	case toolchain.Go:
		harness("native_test.go.txt", "native_test.go")
		runIn(tb, dir, env, "go", "test", "-count=1", "-run", "^TestNative$", ".")
	case toolchain.Rust:
		harness("native.rs", filepath.Join("examples", "native.rs"))
		runIn(tb, dir, append(env, "CARGO_NET_OFFLINE=true"), "cargo", "run", "--release", "--quiet", "--example", "native")
	default:
		harness("native.c", "native.c")
		runIn(tb, dir, nil, "cc", "-std=c11", "-O2", "-I", "sluice", "-o", "native", "native.c", "main.c", filepath.Join("sluice", "sluice.c"))
		runIn(tb, dir, env, "./native")
	}
	text, err := os.ReadFile(times)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || len(r.Snapshot) == 0 || len(r.Change) == 0 {
		tb.Fatalf("%s has measured nothing: %v", language, err)
	}
	return r
}

func sandboxTimes(tb testing.TB, file string, batches [][]byte) (r nativeTimings) {
	tb.Helper()
	wasm, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	process, err := launcher.Start(context.Background(), sandbox.Options{Path: filepath.Join(labtest.Bin(tb), "sluice-sandbox")})
	if err != nil {
		tb.Fatal(err)
	}
	defer process.Kill()
	if err := process.Load(wasm, time.Minute); err != nil {
		tb.Fatal(err)
	}
	timed := func(batch []byte) time.Duration {
		start := time.Now()
		code, err := process.Handle(batch, time.Minute, func([]byte, int) (abi.EmitError, error) { return abi.OK, nil })
		if err != nil || code != abi.Commit {
			tb.Fatal(code, err)
		}
		return time.Since(start)
	}
	for range 20 {
		r.Snapshot = append(r.Snapshot, timed(batches[0]))
	}
	for range 10 {
		for _, batch := range batches[1:] {
			r.Change = append(r.Change, timed(batch))
		}
	}
	return r
}

func runIn(tb testing.TB, dir string, env []string, program string, args ...string) {
	tb.Helper()
	command := exec.CommandContext(tb.Context(), program, args...)
	command.Dir, command.Env = dir, append(append(os.Environ(), "GOFLAGS=-mod=mod"), env...)
	if out, err := command.CombinedOutput(); err != nil {
		tb.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}
