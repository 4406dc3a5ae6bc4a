package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/modules"
)

// answerWithin is how long the agent may take to say how it is, whatever its
// modules do.
const answerWithin = time.Second

// Every way in which a module can fail, tried in the place of one that works, on
// a node with policies in force: the agent answers throughout and says what was
// wrong, and not one flow changes.
func TestHostileModulesChangeNothing(t *testing.T) {
	bin := filepath.Dir(labtest.Programs(t, false).Agent)
	good := filepath.Join(bin, "modules", "networkpolicy.wasm")
	l := continuityLab(t, good)
	before := map[string]string{"east": flows(t, l, "east"), "west": flows(t, l, "west")}
	for _, name := range []string{
		"trap", "loop", "recursion", "recursion-wide", "memory-grow", "memory-huge", "table-grow", "table-huge",
		"flood", "chatter", "garbage", "too-large", "outside", "forbidden-import", "unknown-import", "no-marker", "no-memory",
		"wrong-type", "returns-error", "gives-up", "start-emit", "data-outside", "exit", "compile bomb", "not wasm",
	} {
		t.Run(name, func(t *testing.T) {
			status, err := l.Agent("east").Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			newest := status.Modules[0].Newest
			if _, err := l.ReplaceModule("networkpolicy", labtest.File(t, "hostile.wasm", string(hostile(t, name)))); err != nil {
				t.Fatal(err)
			}
			line := refusal(t, l, "east", newest+1)
			t.Log(line)
			for node, flowsBefore := range before {
				if after := flows(t, l, node); after != flowsBefore {
					t.Fatalf("node %s: flows before:\n%s\nafter:\n%s", node, flowsBefore, after)
				}
			}
		})
	}
	// The generation that works was there all the time, and still follows.
	if err := l.ApplyContent("deny.yaml", []byte(denyAll)); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// hostile is a module that fails, with little time to do it in.
func hostile(t *testing.T, name string) []byte {
	t.Helper()
	manifest := modules.Manifest()
	manifest.Name = "networkpolicy"
	manifest.Limits = &abi.Limits{SnapshotMillis: 500, BatchMillis: 500}
	bare := modules.MemoryBomb()
	switch name {
	case "not wasm":
		return []byte("#!/bin/sh\n")
	case "compile bomb":
	default:
		var err error
		if bare, err = modules.Bare(name); err != nil {
			t.Fatal(err)
		}
	}
	wasm, err := modules.With(bare, manifest)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// refusal waits until an agent says why it did not take a generation. Its
// answers must come in time.
func refusal(t *testing.T, l *lab.Lab, node string, generation uint64) string {
	t.Helper()
	var seen string
	want := fmt.Sprintf("module %q generation %d: ", "networkpolicy", generation)
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		begin := time.Now()
		status, err := l.Agent(node).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > answerWithin {
			t.Errorf("the agent took %v to answer", took)
		}
		if len(status.Modules) != 1 || status.Modules[0].State != "running" || status.Modules[0].Generation != 1 {
			t.Fatalf("the module that works was touched: %+v", status.Modules)
		}
		seen = status.Modules[0].LastError
		if strings.HasPrefix(seen, want) {
			return seen
		}
		time.Sleep(20 * time.Millisecond) // the admin API has no way to wait
	}
	t.Fatalf("the agent does not say what is wrong with generation %d; its last error is %q", generation, seen)
	return ""
}

// A sandbox that is killed costs neither packets nor flows, and another takes
// over.
func TestSandboxKilledUnderTraffic(t *testing.T) {
	l := continuityLab(t)
	before, written := flows(t, l, "east"), flowsWritten(t, l)
	all := streams(t, l)
	status, err := l.Agent("east").Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	victim := status.Modules[0].PID
	sandbox, err := os.FindProcess(victim)
	if err != nil {
		t.Fatal(err)
	}
	if err := sandbox.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // as above
		if time.Now().After(deadline) {
			t.Fatalf("no other sandbox has taken over: %+v", status.Modules)
		}
		if status, err = l.Agent("east").Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m := status.Modules[0]; m.State == "running" && m.PID != 0 && m.PID != victim && m.Restarts == 1 {
			break
		}
	}
	goOn(t, all)
	if after := flows(t, l, "east"); after != before {
		t.Errorf("flows before:\n%s\nafter:\n%s", before, after)
	}
	for node, count := range flowsWritten(t, l) {
		if count != written[node] {
			t.Errorf("node %s: %d flows written because a sandbox died", node, count-written[node])
		}
	}
}
