package modules_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// compiler makes transactions real as the agent does, with real flows on a
// simulated switch.
type compiler struct {
	mu sync.Mutex
	dp *datapath.Datapath
	sw *flowsim.Switch
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	inv := inventory.New()
	c := &compiler{sw: flowsim.New(), dp: datapath.New(datapath.Options{Inventory: inv, Logger: slog.New(slog.DiscardHandler)})}
	c.dp.SetGateway(datapath.Gateway{OFPort: 1, MAC: []byte{2, 0, 0, 0, 0, 1}})
	if err := c.dp.Connect(t.Context(), c.sw); err != nil {
		t.Fatal(err)
	}
	inv.PutNamespace(inventory.Namespace{Name: "default"})
	for i := range 4 {
		name, address := fmt.Sprintf("p%d", i), []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})}
		inv.PutPod(inventory.Pod{Namespace: "default", Name: name, Addresses: address, Node: "here"})
		c.dp.PutPod(datapath.LocalPod{Namespace: "default", Name: name, OFPort: uint32(10 + i), MAC: []byte{2, 1, 0, 0, 0, byte(i)}, Addresses: address})
	}
	return c
}

func (c *compiler) Commit(ctx context.Context, layer *policy.Layer, txn *policy.Txn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.dp.Commit(txn.Delta()); err != nil {
		return err
	}
	layer.Commit(txn)
	_, err := c.dp.Realise(ctx)
	return err
}

func (c *compiler) flows() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sw.Flows())
}

// usage is what a process has.
type usage struct{ heap, files, processes, goroutines, flows int }

func (u usage) String() string {
	return fmt.Sprintf("heap %d KiB, %d files, %d sandboxes, %d goroutines, %d flows", u.heap>>10, u.files, u.processes, u.goroutines, u.flows)
}

// TestSoak reloads modules again and again: memory, files, processes, goroutines
// and flows stay what they were. SLUICE_SOAK says how often in all.
func TestSoak(t *testing.T) {
	const side = 10 // modules that are reloaded beside one another
	total := 200
	if text := os.Getenv("SLUICE_SOAK"); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil || total < 2*side {
			t.Fatalf("SLUICE_SOAK=%s: give a number of reloads, at least %d", text, 2*side)
		}
	}
	c := newCompiler(t)
	versions := [][]byte{wasm(t, "steady"), wasm(t, "other")}
	s, files := soakHouse(t, c, side, versions[0])
	measure := func() usage {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		processes := 0
		for _, status := range s.Status() {
			if status.PID != 0 {
				processes++
			}
		}
		return usage{int(m.HeapAlloc), len(fds), processes, runtime.NumGoroutine(), c.flows()}
	}
	var before usage
	rounds := total / side
	for round := range rounds {
		var group sync.WaitGroup
		for _, file := range files {
			group.Go(func() { replaceFile(t, file, versions[(round+1)%2]) })
		}
		group.Wait()
		soakUntil(t, s, uint64(round+1))
		if round+1 == max(2, rounds/10/2*2) { // warm, and on the same version as at the end
			before = measure()
		}
	}
	if rounds%2 == 1 {
		for _, file := range files {
			replaceFile(t, file, versions[0])
		}
		soakUntil(t, s, uint64(rounds+1))
	}
	after := measure()
	t.Logf("after a tenth: %v\nafter %d reloads: %v", before, total, after)
	if after.heap > before.heap+before.heap/4+(1<<20) || after.files > before.files+2 || after.processes != side ||
		after.goroutines > before.goroutines+2 || after.flows != before.flows {
		t.Errorf("something grows: %v, then %v", before, after)
	}
}

// soakHouse runs modules that watch a file each.
func soakHouse(t *testing.T, c *compiler, modules int, wasm []byte) (*plugin.Supervisor, []string) {
	t.Helper()
	dir := t.TempDir()
	s, err := plugin.New(plugin.Options{Committer: c, SandboxPath: sandboxProgram, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	var files []string
	for i := range modules {
		// A folder each: a change in it wakes nobody else.
		folder := fmt.Sprintf("%s/%d", dir, i)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		file := folder + "/module.wasm"
		replaceFile(t, file, wasm)
		files = append(files, file)
		if err := s.Add(plugin.Spec{Name: fmt.Sprintf("m%d", i), Order: i, Path: file, Grant: plugin.Grant{
			Resources: []string{"*"}, Tiers: []string{"network"}, Actions: []string{"allow"},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Deliver([]abi.Event{pod("a", 1)})
	s.Synced()
	if err := s.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, files
}

func replaceFile(t *testing.T, file string, content []byte) {
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Error(err)
		return
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Error(err)
	}
}

// soakUntil waits until every module has been reloaded so often.
func soakUntil(t *testing.T, s *plugin.Supervisor, reloads uint64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // there is no event for what Status shows
		behind := ""
		for _, m := range s.Status() {
			if m.Reloads < reloads {
				behind = fmt.Sprintf("%s after %d reloads: %s %s", m.Name, m.Reloads, m.State, strings.TrimSpace(m.LastError))
			}
		}
		if behind == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for reload %d: %s", reloads, behind)
		}
	}
}
