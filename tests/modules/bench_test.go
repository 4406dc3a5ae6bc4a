package modules_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/sandbox"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/tests/modules"
	"github.com/sluice-net/sluice/tests/modules/mirror"
)

const benchEvents = 11_000

func snapshot() []byte {
	batch := abi.EventBatch{Sequence: 1, Reset: true, Events: []abi.Event{&abi.Configure{}}}
	for i := range benchEvents {
		batch.Events = append(batch.Events, pod(fmt.Sprintf("pod-%05d", i), 1))
	}
	return abi.AppendEventBatch(nil, &batch)
}

// nowhere is an Output that counts.
type nowhere struct{ bytes int }

func (n *nowhere) Emit(b []byte) abi.EmitError { n.bytes += len(b); return abi.OK }
func (n *nowhere) Log(abi.LogLevel, string)    {}

// 11,000 events through the module, without Wasm and without a process.
func BenchmarkSnapshotNative(b *testing.B) {
	batch := snapshot()
	module := sluice.NewInstance(mirror.New(), &nowhere{})
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		if code := module.Handle(batch); code != abi.Commit {
			b.Fatal(code)
		}
	}
}

// The same through a real sandbox.
func BenchmarkSnapshotSandbox(b *testing.B) {
	batch, wasm := snapshot(), mirrorWasm(b, "1")
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	process, err := launcher.Start(context.Background(), sandbox.Options{Path: sandboxProgram})
	if err != nil {
		b.Fatal(err)
	}
	defer process.Kill()
	if err := process.Load(wasm, time.Minute); err != nil {
		b.Fatal(err)
	}
	out := &nowhere{}
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		code, err := process.Handle(batch, time.Minute, func(requests []byte, _ int) (abi.EmitError, error) { return out.Emit(requests), nil })
		if err != nil || code != abi.Commit {
			b.Fatal(code, err)
		}
	}
	if usage, err := process.Usage(); err == nil {
		b.ReportMetric(float64(usage.RSS)/(1<<20), "MiB-RSS")
		b.ReportMetric(float64(usage.CPU.Milliseconds())/float64(b.N), "CPUms")
	}
}

// From the change of the file to the cut-over, with 11,000 objects, of a module
// in Go: compiling it is most of the time.
func BenchmarkReload(b *testing.B) {
	h := newHouse(b, patient(), mirrorWasm(b, "0"))
	defer h.close(b)
	var events []abi.Event
	for i := range benchEvents {
		events = append(events, pod(fmt.Sprintf("pod-%05d", i), 1))
	}
	h.Deliver(events)
	h.until(b, "the start", running(1))
	version := 1
	for b.Loop() {
		version++
		h.write(b, mirrorWasm(b, fmt.Sprint(version)))
		h.until(b, "the reload", running(version))
	}
}

// One event, from Deliver to the commit, with a module in Go.
func BenchmarkEvent(b *testing.B) {
	h := newHouse(b, patient(), mirrorWasm(b, "0"))
	defer h.close(b)
	if err := h.settle(b); err != nil {
		b.Fatal(err)
	}
	n := int64(1)
	for b.Loop() {
		n++
		h.Deliver([]abi.Event{pod("a", n)})
		if err := h.Settled(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// A process: started, confined, loaded with a small module, and ended.
func BenchmarkSpawn(b *testing.B) {
	small, err := modules.Bare("steady")
	if err != nil {
		b.Fatal(err)
	}
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	var started, loaded, killed time.Duration
	for b.Loop() {
		t0 := time.Now()
		process, err := launcher.Start(context.Background(), sandbox.Options{Path: sandboxProgram})
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		if err := process.Load(small, time.Minute); err != nil {
			b.Fatal(err)
		}
		t2 := time.Now()
		process.Kill()
		started, loaded, killed = started+t1.Sub(t0), loaded+t2.Sub(t1), killed+time.Since(t2)
	}
	for unit, d := range map[string]time.Duration{"start": started, "load": loaded, "kill": killed} {
		b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), "ms-"+unit)
	}
}
