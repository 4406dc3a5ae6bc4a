package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/flowsim"
	"github.com/sluice-net/sluice/tests/labtest"
)

// coldJob is what the child is told, coldReport what it answers, as JSON.
type coldJob struct {
	Pods, Spaces, Apps, Local, Policies int
	Bin                                 string
}

type coldReport struct {
	Wall, AgentCPU, SandboxCPU, Pods, Module, Check, Compile, Write time.Duration
	AgentPeak, SandboxPeak                                          float64 // bytes
	FlowMods, Rules, Flows                                          int
}

func TestCold(t *testing.T) {
	out := newTable()
	cold(t, out, cluster{pods: 500, spaces: 5, apps: 50, local: 10}, 50)
	if len(out.Rows) != 3 {
		t.Errorf("%+v", out.Rows)
	}
}

// cold starts with nothing and ends with all flows of a node handed to its
// switch, with the real module in its sandbox.
func cold(tb testing.TB, out *table, c cluster, policies int) {
	labtest.Module(tb, "networkpolicy")
	r := child[coldReport](tb, "cold", coldJob{c.pods, c.spaces, c.apps, c.local, policies, labtest.Bin(tb)})
	if r.FlowMods == 0 || r.Rules == 0 {
		tb.Fatalf("nothing was compiled: %+v", r)
	}
	part := func(d time.Duration) string { return number(d.Seconds()) + " s" }
	sizes := fmt.Sprintf("cold compile, %s policies × %s Pods × %d local: ", number(float64(policies)), number(float64(c.pods)), c.local)
	naive := naivePart(tb, c, policies)
	out.add(row{
		Work: sizes + "agent and sandbox", Figure: (r.AgentCPU + r.SandboxCPU).Seconds(), Unit: "s",
		Peer: "asking each selector", PeerFigure: naive.Seconds(), Aim: atMost(3),
		Note: fmt.Sprintf("processor time of both, of which the sandbox %s. On the clock %s: Pods into the inventory %s (the module is loaded beside that), "+
			"policies through the module and staged %s, difference %s, compiled %s, handed over %s (%s flow-mods). The peer is the evaluation of all selectors of all "+
			"policies on all Pods alone, calculated from a part of them",
			part(r.SandboxCPU), part(r.Wall), part(r.Pods), part(r.Module), part(r.Check), part(r.Compile), part(r.Write), number(float64(r.FlowMods))),
	})
	out.add(row{
		Work: "  memory of both, at most", Figure: (r.AgentPeak + r.SandboxPeak) / 1e6, Unit: "MB", Aim: atMost(400),
		Note: fmt.Sprintf("resident at the peak, agent's part %.0f MB, sandbox %.0f MB", r.AgentPeak/1e6, r.SandboxPeak/1e6),
	})
	out.add(row{Work: "  flows", Figure: float64(r.Flows), Unit: "flows"})
}

// naivePart evaluates a part of the selectors on a part of the Pods, and
// multiplies: the whole would take minutes.
func naivePart(tb testing.TB, c cluster, policies int) time.Duration {
	const selectorsPerPolicy = 4
	all := selectorsPerPolicy * policies
	some := c.ofApplications(min(all, 2_000))
	ask := newNaive(some)
	pods := min(c.pods, 2_000)
	took := costOf(tb, func() {
		for i := range pods {
			ask.put(c.pod(i))
		}
	})
	return time.Duration(float64(took.cpu) * float64(all) / float64(len(some)) * float64(c.pods) / float64(pods))
}

func coldHere(job coldJob) (r coldReport, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := cluster{pods: job.Pods, spaces: job.Spaces, apps: job.Apps, local: job.Local}
	// The objects are there when the agent starts: making their text is not its work.
	events := make([]abi.Event, job.Policies)
	for i := range events {
		events[i] = c.object(i, 8000).event(1)
	}
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		return r, err
	}

	profiled, err := profile(os.Getenv(profileDir))
	if err != nil {
		return r, err
	}
	start := time.Now()
	n := newNode(fatal{}, nowhere{flowsim.New()})
	s, err := supervise(n, job.Bin)
	if err != nil {
		return r, err
	}
	defer s.Close()
	c.fill(n.inv, n.dp)
	r.Pods = time.Since(start)
	s.Deliver(events)
	s.Synced()
	var done commit
	select {
	case done = <-n.committed:
	case <-ctx.Done():
		return r, fmt.Errorf("waiting for the module's first commit: %w: %+v", ctx.Err(), s.Status())
	}
	r.Wall = time.Since(start)
	if err := profiled(); err != nil {
		return r, err
	}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		return r, err
	}
	r.AgentCPU = time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	r.Check, r.Compile, r.Write = done.check, done.compile, done.write
	if err := s.Settled(ctx); err != nil {
		return r, err
	}
	status := s.Status()[0]
	r.SandboxCPU, r.Rules, r.Module = status.CPU, status.Rules, status.LastBatch
	r.FlowMods, r.Flows = done.written, n.dp.Stats().Flows
	if r.SandboxPeak, err = peakMemory(status.PID); err != nil {
		return r, err
	}
	r.AgentPeak, err = peakMemory(os.Getpid())
	return r, err
}

// profileDir names a directory for cold.cpu and cold.heap, to be read with `go tool pprof`.
const profileDir = "SLUICE_BENCH_PROFILE"

// profile begins; what it returns ends it. Without a directory both do nothing.
func profile(dir string) (end func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	cpu, err := os.Create(filepath.Join(dir, "cold.cpu"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(err, cpu.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(filepath.Join(dir, "cold.heap"))
		if err != nil {
			return errors.Join(err, cpu.Close())
		}
		runtime.GC() // so that what is in use now is in it
		return errors.Join(cpu.Close(), pprof.WriteHeapProfile(heap), heap.Close())
	}, nil
}
