package modules_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/tests/modules"
	"github.com/sluice-net/sluice/tests/modules/mirror"
)

func running(generation int) func(plugin.Status) bool {
	return func(s plugin.Status) bool {
		return s.State == plugin.Running && s.Generation == generation && s.PID != 0
	}
}

// patient are options for modules in Go, which take a second to compile.
func patient() plugin.Options {
	return plugin.Options{LoadTimeout: time.Minute, RestartMin: 10 * time.Millisecond, Limits: abi.Limits{BatchMillis: 20_000, SnapshotMillis: 20_000}}
}

func TestReload(t *testing.T) {
	h := newHouse(t, quick(), wasm(t, "steady"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	before := h.status()

	t.Run("holds only the difference", func(t *testing.T) {
		h.write(t, wasm(t, "other"))
		after := h.until(t, "generation 2", running(2))
		d := h.commits()[1]
		if len(d.PutSets)+len(d.DeleteSets) != 0 || len(d.PutRules) != 1 || d.PutRules[0].Name != "second" ||
			len(d.DeleteRules) != 1 || d.DeleteRules[0].Name != "first" {
			t.Errorf("the transaction was %+v", d)
		}
		if got := h.sandboxes(t); !slices.Equal(got, []string{strconv.Itoa(after.PID)}) || after.PID == before.PID {
			t.Errorf("the sandboxes are %v; the old one was %d, the new one is %d", got, before.PID, after.PID)
		}
		if after.Reloads != 1 || after.Restarts != 0 {
			t.Errorf("%d reloads and %d restarts are counted", after.Reloads, after.Restarts)
		}
	})
	t.Run("of the same policy changes nothing", func(t *testing.T) {
		m := modules.Manifest()
		m.Version = "2"
		bare, err := modules.Bare("other")
		if err != nil {
			t.Fatal(err)
		}
		same, err := modules.With(bare, m)
		if err != nil {
			t.Fatal(err)
		}
		h.write(t, same)
		if s := h.until(t, "generation 3", running(3)); s.Version != "2" {
			t.Errorf("the version is %q", s.Version)
		}
		if d := h.commits()[2]; !d.Empty() {
			t.Errorf("the transaction was %+v", d)
		}
	})
	t.Run("of a file that is written in place", func(t *testing.T) {
		file, err := os.OpenFile(h.file, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		content := wasm(t, "steady")
		if _, err := file.Write(content[:len(content)/2]); err != nil {
			t.Fatal(err)
		}
		s := h.until(t, "the refusal of half a file", func(s plugin.Status) bool { return s.LastError != "" })
		if !running(3)(s) || !strings.Contains(s.LastError, "generation 4: is not a WebAssembly module") {
			t.Errorf("the status is %+v", s)
		}
		if _, err := file.Write(content[len(content)/2:]); err != nil {
			t.Fatal(err)
		}
		if s := h.until(t, "generation 5", running(5)); s.LastError != "" {
			t.Errorf("the error is still there: %s", s.LastError)
		}
		if got := h.rules(); !slices.Equal(got, []string{"first"}) {
			t.Errorf("the rules in force are %q", got)
		}
	})
	t.Run("a file that goes away changes nothing", func(t *testing.T) {
		if err := os.Remove(h.file); err != nil {
			t.Fatal(err)
		}
		s := h.until(t, "the error", func(s plugin.Status) bool { return s.LastError != "" })
		if !running(5)(s) || !strings.Contains(s.LastError, "no such file") {
			t.Errorf("the status is %+v", s)
		}
		h.write(t, wasm(t, "steady"))
		h.until(t, "the end of the error", func(s plugin.Status) bool { return s.LastError == "" && running(5)(s) })
	})
}

// A sandbox that is killed is replaced, and nothing in force changes.
func TestKilledSandbox(t *testing.T) {
	h := newHouse(t, quick(), wasm(t, "steady"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	pid := h.status().PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s := h.until(t, "another process", func(s plugin.Status) bool { return running(1)(s) && s.PID != pid })
	if !strings.Contains(s.LastError, `module "guarded" generation 1: lost its process while waiting for events (signal: killed)`) {
		t.Errorf("the error is %q", s.LastError)
	}
	commits := h.commits()
	if s.Restarts != 1 || len(commits) != 2 || !commits[1].Empty() {
		t.Errorf("after %d restarts the commits are %+v", s.Restarts, commits)
	}
}

// A generation that has proven itself and then fails again and again makes room
// for the one before it.
func TestFallBack(t *testing.T) {
	for _, name := range []string{"good-then-trap", "good-then-loop"} {
		t.Run(name, func(t *testing.T) {
			proven := quick()
			proven.Probation = time.Nanosecond
			h := newHouse(t, proven, wasm(t, "other"))
			if err := h.settle(t); err != nil {
				t.Fatal(err)
			}
			h.write(t, wasm(t, name))
			h.until(t, "generation 2", running(2))
			reason := map[string]string{"good-then-trap": "trapped in sluice_handle: unreachable", "good-then-loop": "did not finish handling a batch within 200ms and was killed"}[name]
			for failure := 1; failure <= plugin.FailuresInARow; failure++ {
				h.Deliver([]abi.Event{pod("a", int64(100+failure))})
				s := h.until(t, fmt.Sprintf("restart %d", failure), func(s plugin.Status) bool {
					return s.Restarts == uint64(failure) && s.PID != 0
				})
				if want := `module "guarded" generation 2: ` + reason; !strings.HasPrefix(s.LastError, want) {
					t.Fatalf("the error is %q, not %q", s.LastError, want)
				}
				want := []string{"first"}
				if failure == plugin.FailuresInARow {
					want = []string{"second"}
				}
				if got := h.rules(); !slices.Equal(got, want) {
					t.Fatalf("after failure %d the rules in force are %q", failure, got)
				}
			}
			if s := h.status(); s.Generation != 1 || s.Newest != 2 {
				t.Errorf("the status is %+v", s)
			}
		})
	}
}

// A void batch is followed by a snapshot, in the same process.
func TestVoidThenSnapshot(t *testing.T) {
	h := newHouse(t, quick(), wasm(t, "good-then-gives-up"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	pid := h.status().PID
	h.Deliver([]abi.Event{pod("a", 2)})
	s := h.until(t, "the second commit", func(s plugin.Status) bool { return s.Commits == 2 })
	if s.Batches != 3 || s.PID != pid || !strings.Contains(s.LastError, "gave a batch up") {
		t.Errorf("the status is %+v", s)
	}
	if d := h.commits()[1]; !d.Empty() {
		t.Errorf("the snapshot changed something: %+v", d)
	}
}

// What the agent cannot put in force is nobody's fault but its own: nothing
// ends, and it is tried again.
func TestCommitterFails(t *testing.T) {
	h := newHouse(t, quick(), wasm(t, "steady"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	pid := h.status().PID
	h.breaks(errors.New("the switch does not answer"))

	h.Deliver([]abi.Event{pod("a", 2)})
	s := h.until(t, "the error", func(s plugin.Status) bool { return s.LastError != "" })
	if !strings.Contains(s.LastError, "the switch does not answer") || s.PID != pid {
		t.Errorf("the status is %+v", s)
	}
	h.write(t, wasm(t, "other"))
	h.until(t, "generation 2 to be ready", func(s plugin.Status) bool {
		return len(h.sandboxes(t)) == 2 && strings.Contains(s.LastError, "generation 2")
	})
	if s := h.status(); s.Generation != 1 || s.PID != pid || !slices.Equal(h.rules(), []string{"first"}) {
		t.Errorf("the status is %+v", s)
	}
	h.breaks(nil)
	if s := h.until(t, "generation 2", running(2)); s.Restarts != 0 {
		t.Errorf("the status is %+v", s)
	}
}

// Events that arrive while a generation is loading reach it and the running one.
func TestNoEventLostInReload(t *testing.T) {
	h := newHouse(t, patient(), mirrorWasm(t, "1"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"a": 1, "b": 1}
	h.write(t, mirrorWasm(t, "2"))
	n := int64(1)
	for s := h.status(); s.Generation != 2 || n < 500; s = h.status() {
		n++
		name := fmt.Sprintf("pod-%d", n%50)
		if n%7 == 0 {
			h.Deliver([]abi.Event{&abi.ObjectDelete{Resource: "pods", Namespace: "default", Name: name, UID: name}})
			delete(want, name)
		} else {
			h.Deliver([]abi.Event{pod(name, n)})
			want[name] = n
		}
		if n > 5_000_000 {
			t.Fatalf("generation 2 never took over: %+v", s)
		}
	}
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]abi.SetSpec)
	for set := range h.Layers()[0].Sets() {
		got[set.Name] = set.Spec
	}
	if len(got) != len(want) {
		t.Errorf("there are %d sets instead of %d", len(got), len(want))
	}
	for name, version := range want {
		spec, _ := got[name].(*abi.Pods)
		if spec == nil || !slices.Contains(spec.PodSelector.Requirements[0].Values, strconv.FormatInt(version, 10)) {
			t.Errorf("the set of %s is %+v, and should be of version %d", name, got[name], version)
		}
	}
	if s := h.status(); s.Restarts != 0 || s.LastError != "" {
		t.Errorf("the status is %+v", s)
	}
}

// A reload never goes back in time: what the old generation has put in force
// since the new one got its snapshot is in the new one's first transaction.
func TestReloadNeverGoesBack(t *testing.T) {
	h := newHouse(t, patient(), mirrorWasm(t, "1"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	h.write(t, mirrorWasm(t, "2"))
	for n := int64(2); h.status().Generation != 2 && n < 5_000_000; n++ {
		h.Deliver([]abi.Event{pod("a", n)})
	}
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	last := int64(0)
	for _, d := range h.commits() {
		for _, set := range d.PutSets {
			if set.Name != "a" {
				continue
			}
			values := set.Spec.(*abi.Pods).PodSelector.Requirements[0].Values
			for _, v := range values {
				if version, err := strconv.ParseInt(v, 10, 64); err == nil {
					if version < last {
						t.Fatalf("version %d was put in force after %d", version, last)
					}
					last = version
				}
			}
		}
	}
	if last < 2 {
		t.Errorf("the last version in force is %d", last)
	}
}

func TestConfigure(t *testing.T) {
	h := newHouse(t, patient(), mirrorWasm(t, "1"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	if err := h.Configure(module, json.RawMessage(`17`)); err != nil {
		t.Fatal(err)
	}
	s := h.until(t, "the second commit", func(s plugin.Status) bool { return s.Commits == 2 })
	set, there := h.Layers()[0].Set("configuration")
	if !there || s.Restarts != 0 {
		t.Fatalf("the configuration did not arrive; the status is %+v", s)
	}
	if values := set.Spec.(*abi.Pods).PodSelector.Requirements[0].Values; !slices.Contains(values, `17`) {
		t.Errorf("the configuration that arrived is %q", values)
	}
	if err := h.Configure(module, json.RawMessage(`{`)); err == nil {
		t.Error("a configuration that is not JSON was taken")
	}
}

// A module is not fed before the whole state is there.
func TestNotFedBeforeSynced(t *testing.T) {
	h := newHouseUnsynced(t, quick(), wasm(t, "steady"))
	h.until(t, "the process", func(plugin.Status) bool { return len(h.sandboxes(t)) == 1 })
	h.Deliver([]abi.Event{pod("c", 1)})
	if n := len(h.commits()); n != 0 {
		t.Errorf("%d transactions before Synced", n)
	}
	h.Synced()
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	if n := len(h.commits()); n != 1 {
		t.Errorf("%d transactions after Synced", n)
	}
}

// What the manifest asks for and the operator does not grant is refused.
func TestGrant(t *testing.T) {
	for name, c := range map[string]struct {
		grant      plugin.Grant
		notGranted []string
		reason     string
	}{
		"no tier":   {plugin.Grant{Resources: []string{"*"}, Actions: []string{"allow"}}, []string{"tier network"}, `rule "first": its tier`},
		"no action": {plugin.Grant{Tiers: []string{"network"}, Actions: []string{"deny"}}, []string{"resource pods", "action allow"}, `rule "first": its action`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, quick(), wasm(t, "steady"))
			if err := h.settle(t); err != nil {
				t.Fatal(err)
			}
			if err := h.Add(plugin.Spec{Name: "second", Order: 1, Wasm: wasm(t, "steady"), Grant: c.grant}); err != nil {
				t.Fatal(err)
			}
			err := h.settle(t)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("the error is %v, and should name %s", err, c.reason)
			}
			if s := h.Status()[1]; s.State == plugin.Running || s.Rules != 0 {
				t.Errorf("the status is %+v", s)
			}
			if s := h.status(); s.State != plugin.Running || s.LastError != "" {
				t.Errorf("the other module was touched: %+v", s)
			}
		})
	}
}

// The module in Go and the same code without a sandbox say the same.
func TestSandboxSaysWhatNativeSays(t *testing.T) {
	h := newHouse(t, patient(), mirrorWasm(t, "1"))
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	for set := range h.Layers()[0].Sets() {
		if want := mirror.Spec(set.Name, "1"); !reflect.DeepEqual(sorted(set.Spec), sorted(want)) {
			t.Errorf("set %s is %+v, and should be %+v", set.Name, set.Spec, want)
		}
	}
}

func sorted(spec abi.SetSpec) []string {
	values := slices.Clone(spec.(*abi.Pods).PodSelector.Requirements[0].Values)
	slices.Sort(values)
	return values
}

// Modules in every state are ended by Close, and nothing of them is left.
func TestCloseInTheMiddle(t *testing.T) {
	before := runtime.NumGoroutine()
	names := []string{"steady", "start-loop", "loop", "trap", "gives-up", "patter"}
	for round := range 3 {
		h := newHouse(t, patient(), wasm(t, "steady"))
		for i, name := range names {
			if err := h.Add(plugin.Spec{
				Name: name, Order: i + 1, Wasm: wasm(t, name),
				Grant: plugin.Grant{Resources: []string{"pods"}, Tiers: []string{"network"}, Actions: []string{"allow"}},
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Add(plugin.Spec{Name: "steady", Wasm: wasm(t, "steady")}); err == nil {
			t.Error("two modules of one name were taken")
		}
		// The well-behaved ones work beside the others.
		h.until(t, "a module that behaves", func(plugin.Status) bool { s := h.Status(); return running(1)(s[0]) && running(1)(s[1]) })
		for range round * 20 { // a different moment each time
			h.until(t, "any status", func(plugin.Status) bool { return true })
			h.Deliver([]abi.Event{pod("a", time.Now().UnixNano())})
		}
		start := time.Now()
		h.close(t)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		for _, s := range h.Status() {
			if s.State != plugin.Stopped || s.PID != 0 {
				t.Errorf("after Close: %+v", s)
			}
		}
		if err := h.Add(plugin.Spec{Name: "late", Wasm: wasm(t, "steady")}); err == nil {
			t.Error("a closed supervisor took a module")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			all := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, all[:runtime.Stack(all, true)])
		}
		time.Sleep(10 * time.Millisecond) // goroutines announce their end to nobody
	}
}
