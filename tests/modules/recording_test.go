package modules_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/recording"
	"github.com/sluice-net/sluice/host/sandbox"
)

// replay hands a recording to a module.
func replay(t *testing.T, r *recording.Recording, wasm []byte, exact bool) recording.Replayed {
	t.Helper()
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	out, err := recording.Replay(t.Context(), r, recording.Options{Launcher: launcher, SandboxPath: sandboxProgram, Wasm: wasm, Exact: exact})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRecordAndReplay: the same module answers the same, byte by byte, also when
// the recording begins in the middle of its life.
func TestRecordAndReplay(t *testing.T) {
	for name, bytes := range map[string]int{"from the start": 0, "from the middle": 2000} {
		t.Run(name, func(t *testing.T) {
			wasm := mirrorWasm(t, "1.0.0")
			options := patient()
			options.RecordingBytes = bytes
			h := newHouse(t, options, wasm)
			for i := range 30 {
				h.Deliver([]abi.Event{pod(fmt.Sprintf("p%d", i%7), int64(i+2)), &abi.ObjectDelete{Resource: "pods", Namespace: "default", Name: fmt.Sprintf("p%d", (i+3)%7)}})
				if err := h.settle(t); err != nil {
					t.Fatal(err)
				}
			}
			r, err := h.Recording(module)
			if err != nil {
				t.Fatal(err)
			}
			if r.Folded != (bytes > 0) || len(r.Batches) < 5 {
				t.Fatalf("folded %v, %d batches", r.Folded, len(r.Batches))
			}
			if out := replay(t, r, wasm, true); out.Difference != "" || out.Batches != len(r.Batches) || out.Calls == 0 {
				t.Errorf("%+v", out)
			}
			// What the layer holds in the end is what the agent has in force.
			out := replay(t, r, wasm, false)
			if got, want := fmt.Sprint(rulesOf(out.Layer)), fmt.Sprint(h.rules()); out.Difference != "" || got != want {
				t.Errorf("%s: the replay holds %s, in force is %s", out.Difference, got, want)
			}
			// One byte that is not the same is found.
			for i := len(r.Batches) - 1; ; i-- {
				if calls := r.Batches[i].Calls; len(calls) > 0 {
					calls[0].Requests[len(calls[0].Requests)-1] ^= 1
					break
				}
			}
			if out := replay(t, r, wasm, true); !strings.Contains(out.Difference, "call 1 of emit was then") {
				t.Errorf("after a change: %+v", out)
			}
		})
	}
}

// TestFailureLeavesARecording: what led to a trap can be replayed, and traps again.
func TestFailureLeavesARecording(t *testing.T) {
	options := quick()
	options.RecordingDir = filepath.Join(t.TempDir(), "recordings")
	wasm := wasm(t, "good-then-trap")
	h := newHouse(t, options, wasm)
	h.until(t, "the first commit", running(1))
	h.Deliver([]abi.Event{pod("c", 1)})
	s := h.until(t, "the recording", func(s plugin.Status) bool { return s.Recording != "" })
	r, err := recording.Load(s.Recording)
	if err != nil {
		t.Fatal(err)
	}
	last := r.Batches[len(r.Batches)-1]
	if r.Module != module || r.Why == "" || last.Error == "" {
		t.Errorf("header %+v, last batch %+v", r.Header, last)
	}
	if out := replay(t, r, wasm, true); out.Difference != "" {
		t.Errorf("it does not fail in the same way: %+v", out)
	}
	// However often it fails, only the latest are kept.
	for i := range plugin.RecordingsKept + 2 {
		h.until(t, "the restart", func(s plugin.Status) bool { return s.Restarts > uint64(i) && s.State == plugin.Running })
		h.Deliver([]abi.Event{pod("c", int64(i+2))})
	}
	h.until(t, "the last failure", func(s plugin.Status) bool { return s.Restarts > plugin.RecordingsKept+1 })
	files, err := filepath.Glob(filepath.Join(options.RecordingDir, "*"))
	if err != nil || len(files) > plugin.RecordingsKept+1 { // one may be on its way
		t.Errorf("%d recordings: %v, %v", len(files), files, err)
	}
}
