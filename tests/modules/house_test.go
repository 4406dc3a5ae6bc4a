package modules_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/modules"
)

// sandboxProgram is the real one, built once.
var sandboxProgram string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sluice-modules-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		sandboxProgram = filepath.Join(dir, "sluice-sandbox")
		build := exec.Command("go", "build", "-o", sandboxProgram, "github.com/sluice-net/sluice/host/cmd/sluice-sandbox")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building sluice-sandbox: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// mirrorWasm builds the module mirror, once, with this version in its manifest.
func mirrorWasm(t testing.TB, version string) []byte {
	t.Helper()
	bare, err := buildMirror()
	if err != nil {
		t.Fatal(err)
	}
	m := modules.Manifest()
	m.Version = version
	b, err := modules.With(bare, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var buildMirror = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(filepath.Dir(sandboxProgram), "mirror.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", out, "./mirror/wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building mirror: %w\n%s", err, text)
	}
	return os.ReadFile(out)
})

// recorder stands in for the agent's writer: it has no switch, but commits.
type recorder struct {
	mu     sync.Mutex
	deltas []policy.Delta
	broken error
}

func (r *recorder) Commit(_ context.Context, layer *policy.Layer, txn *policy.Txn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	r.deltas = append(r.deltas, txn.Delta())
	layer.Commit(txn)
	return nil
}

// breaks makes commits fail from now on, or not any more.
func (r *recorder) breaks(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
}

func (r *recorder) commits() []policy.Delta {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.deltas)
}

// houses counts, so that each one's sandboxes can be told from the others'.
var houses atomic.Int64

// house is a supervisor with one module, whose file a test may change.
type house struct {
	*plugin.Supervisor
	*recorder
	file string
	comm string // by which its sandboxes are known
	done bool
}

const module = "guarded"

// quick are options that make a test of deadlines short.
func quick() plugin.Options {
	return plugin.Options{
		LoadTimeout: 1500 * time.Millisecond,
		RestartMin:  10 * time.Millisecond,
		Limits:      abi.Limits{BatchMillis: 200, SnapshotMillis: 250},
	}
}

// newHouse is settled only after some time: wait for what you need.
func newHouse(t testing.TB, options plugin.Options, wasm []byte) *house {
	t.Helper()
	h := newHouseUnsynced(t, options, wasm)
	h.Synced()
	return h
}

func newHouseUnsynced(t testing.TB, options plugin.Options, wasm []byte) *house {
	t.Helper()
	return furnish(t, options, plugin.Spec{}, wasm)
}

// furnish makes a house whose module runs as spec says.
func furnish(t testing.TB, options plugin.Options, spec plugin.Spec, wasm []byte) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{recorder: &recorder{}, file: filepath.Join(dir, "module.wasm"), comm: fmt.Sprintf("sb-%d", houses.Add(1))}
	options.Committer, options.SandboxPath = h.recorder, filepath.Join(dir, h.comm)
	if err := os.Symlink(sandboxProgram, options.SandboxPath); err != nil {
		t.Fatal(err)
	}
	options.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if h.Supervisor, err = plugin.New(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close(t) })
	spec.Name = module
	if spec.Fetch == nil {
		h.write(t, wasm)
		spec.Path = h.file
	}
	spec.Grant = plugin.Grant{Resources: []string{"pods"}, Tiers: []string{"network"}, Actions: []string{"allow"}}
	if err := h.Add(spec); err != nil {
		t.Fatal(err)
	}
	h.Deliver([]abi.Event{pod("a", 1), pod("b", 1)})
	return h
}

// close ends the house and looks for what it left behind.
func (h *house) close(t testing.TB) {
	if h.done {
		return
	}
	h.done = true
	h.Close()
	if left := h.sandboxes(t); len(left) > 0 {
		t.Errorf("sandboxes are left: %v", left)
	}
}

// write replaces the module's file at once.
func (h *house) write(t testing.TB, wasm []byte) {
	t.Helper()
	draft := h.file + ".new"
	if err := os.WriteFile(draft, wasm, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, h.file); err != nil {
		t.Fatal(err)
	}
}

func (h *house) settle(t testing.TB) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	err := h.Settled(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v; status %+v", err, h.status())
	}
	return err
}

func (h *house) status() plugin.Status { return h.Status()[0] }

// until waits until the status is as asked, and checks that the supervisor
// answers all the while.
func (h *house) until(t testing.TB, what string, is func(plugin.Status) bool) plugin.Status {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	slow := 0
	for calls := 1; ; calls++ {
		start := time.Now()
		s := h.status()
		if time.Since(start) > 100*time.Millisecond {
			slow++
		}
		// One answer may be late on a busy machine. Behind a module most would be.
		if slow > 1+calls/4 {
			t.Errorf("%d of %d answers took more than 100 ms", slow, calls)
		}
		if is(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s; the status is %+v", what, s)
		}
		time.Sleep(5 * time.Millisecond) // there is no event for what Status shows
	}
}

// rules in force, by name.
func (h *house) rules() []string { return rulesOf(h.Layers()[0]) }

func rulesOf(layer *policy.Layer) []string {
	var names []string
	for r := range layer.Rules() {
		names = append(names, r.Name)
	}
	return names
}

func pod(name string, generation int64) *abi.ObjectPut {
	return &abi.ObjectPut{
		Resource: "pods", Namespace: "default", Name: name, UID: name, Generation: generation,
		JSON: fmt.Appendf(nil, `{"metadata":{"name":%q,"generation":%d}}`, name, generation),
	}
}

func wasm(t testing.TB, name string) []byte {
	t.Helper()
	b, err := modules.Wasm(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sandboxes returns the PIDs of this house's children that run, or that have
// ended and were not reaped.
func (h *house) sandboxes(t testing.TB) []string {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread may have ended
		for _, pid := range strings.Fields(string(children)) {
			if name, _ := os.ReadFile("/proc/" + pid + "/comm"); strings.TrimSpace(string(name)) == h.comm {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
