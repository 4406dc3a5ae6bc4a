package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
	"github.com/sluice-net/sluice/tests/cluster/figures"
	"github.com/sluice-net/sluice/tests/cluster/process"
)

// The node whose agent is measured, and how fast Pods come and go elsewhere.
const (
	podsOfNode   = 250
	churnASecond = 100
	churnTime    = 30 * time.Second
	churnAtOnce  = 16
	restTime     = 15 * time.Second // after which what only the start needed is given back
)

// BenchmarkAgent measures an agent with 250 Pods of its own in a cluster of SLUICE_PODS
// Pods (default 10,000), a Namespace for each 20 and a NetworkPolicy for each 10 of
// them: its start, what it takes in memory, and what it costs that Pods elsewhere come
// and go.
func BenchmarkAgent(b *testing.B) {
	pods := podsToMake(b)
	p := &population{pods: pods, namespaces: pods / 20, policies: pods / 10, perNode: podsOfNode}
	api := apitest.Start(b)
	w := newWriter(b, api.Admin())
	w.applyCRDs()
	client := coreClient(b, api.Admin())
	p.settle(b, api, w, client)
	n := newNode(b, api, w, p.nodeName(0), map[string]any{"adoptExistingPods": false})
	n.start()
	n.awaitPolicy(b)
	local := make([]localPod, podsOfNode)
	for i := range local {
		local[i] = localPod{p.namespaceOf(i), p.podName(i), p.address(i)}
	}
	n.attach(local)
	for b.Loop() {
		table := figures.New(fmt.Sprintf("agent in a cluster of %d Pods", pods))
		n.measureStart(b, table)
		n.measureChurn(b, table, p, client, api)
		if err := table.Finish(os.Stdout); err != nil {
			b.Fatal(err)
		}
	}
}

func podsToMake(b *testing.B) int {
	b.Helper()
	text := os.Getenv("SLUICE_PODS")
	if text == "" {
		return 10_000
	}
	pods, err := strconv.Atoi(text)
	if err != nil || pods < 1000 {
		b.Fatalf("SLUICE_PODS is %q: it must be a number from 1000 on: %v", text, err)
	}
	return pods
}

// awaitPolicy waits until the agent enforces.
func (n *node) awaitPolicy(b *testing.B) agent.Status {
	b.Helper()
	return n.await("everything in force", func(s agent.Status) bool { return s.Held == "" && len(s.Modules) == 1 && s.Modules[0].Rules > 0 })
}

// measureStart ends the agent and starts it again, with its Pods on the bridge.
func (n *node) measureStart(b *testing.B, table *figures.Table) {
	b.Helper()
	n.stop(syscall.SIGTERM)
	received, begin := n.received.Load(), time.Now()
	n.start()
	s := n.awaitPolicy(b)
	table.Add(figures.Figure{Work: "start, until all is in force", Value: time.Since(begin).Seconds(), Unit: "s", Note: fmt.Sprintf("%d rules, %d flows, %d Pods attached", s.Modules[0].Rules, s.Flows.Installed, len(s.Pods))})
	used := n.usage(b)
	table.Add(figures.Figure{Work: "  processor time of the agent until then", Value: used.CPU.Seconds(), Unit: "s"})
	table.Add(figures.Figure{Work: "  bytes from the API server", Value: float64(n.received.Load()-received) / 1e6, Unit: "MB"})
	time.Sleep(restTime)
	used, sandbox := n.usage(b), n.sandbox(b)
	if err := n.profile(b.Context(), "heap"); err != nil {
		b.Fatal(err)
	}
	table.Add(figures.Figure{Work: "memory of the agent", Value: used.RSS / (1 << 20), Unit: "MiB", Aim: 300})
	table.Add(figures.Figure{Work: "  at the peak", Value: used.PeakRSS / (1 << 20), Unit: "MiB"})
	table.Add(figures.Figure{Work: "memory of the sandbox", Value: sandbox.RSS / (1 << 20), Unit: "MiB"})
	table.Add(figures.Figure{Work: "  at the peak", Value: sandbox.PeakRSS / (1 << 20), Unit: "MiB"})
}

// usage is the agent's own.
func (n *node) usage(b *testing.B) process.Usage {
	b.Helper()
	u, err := process.UsageOf(n.agent.Process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	return u
}

func (n *node) sandbox(b *testing.B) process.Usage {
	b.Helper()
	s, err := n.status()
	if err != nil || len(s.Modules) != 1 {
		b.Fatalf("%+v: %v", s.Modules, err)
	}
	u, err := process.UsageOf(s.Modules[0].PID)
	if err != nil {
		b.Fatal(err)
	}
	return u
}

// measureChurn lets Pods of other nodes come and go at a steady pace.
func (n *node) measureChurn(b *testing.B, table *figures.Table, p *population, client *rest.RESTClient, api *controlplane.Server) {
	b.Helper()
	time.Sleep(2 * time.Second)
	quiet, begin := n.usage(b), time.Now()
	time.Sleep(5 * time.Second)
	idle := (n.usage(b).CPU - quiet.CPU).Seconds() / time.Since(begin).Seconds()

	before, sandbox, received, begin := n.usage(b), n.sandbox(b), n.received.Load(), time.Now()
	paid := spent(b, api)
	profiled := make(chan error, 1)
	go func() { profiled <- n.profile(b.Context(), "profile?seconds=20") }()
	count, err := p.churn(b.Context(), client, churnASecond, churnTime)
	took := time.Since(begin)
	if err := errors.Join(err, <-profiled); err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Second) // the last events are on the way
	after, received := n.usage(b), n.received.Load()-received
	table.Add(figures.Figure{Work: "Pods that come and go", Value: float64(count) / took.Seconds(), Unit: "/s", Note: "each is made, runs and is deleted: three events"})
	table.Add(figures.Figure{Work: "  processor time of the agent", Value: (after.CPU - before.CPU).Seconds() / took.Seconds() * 100, Unit: "% of a core", Note: fmt.Sprintf("without them %.1f%%", idle*100)})
	table.Add(figures.Figure{Work: "  processor time of the sandbox", Value: (n.sandbox(b).CPU - sandbox.CPU).Seconds() / took.Seconds() * 100, Unit: "% of a core"})
	table.Add(figures.Figure{Work: "  processor time of the API server, a Pod", Value: (spent(b, api) - paid).Seconds() * 1000 / float64(count), Unit: "ms", Note: "which is written three times and told to one agent"})
	table.Add(figures.Figure{Work: "  bytes from the API server for an event", Value: float64(received) / float64(3*count), Unit: "B", Note: "with TLS and HTTP/2"})
	table.Add(figures.Figure{Work: "  memory of the agent", Value: after.RSS / (1 << 20), Unit: "MiB", Aim: 300})
}

// profile saves one of the agent's profiles in the directory SLUICE_BENCH_PROFILE, to be
// read with `go tool pprof`.
func (n *node) profile(ctx context.Context, name string) error {
	dir := os.Getenv("SLUICE_BENCH_PROFILE")
	if dir == "" {
		return nil
	}
	out, err := exec.CommandContext(ctx, "curl", "--fail", "--silent", "--show-error", "--unix-socket", filepath.Join(n.dir, "admin.sock"),
		"-o", filepath.Join(dir, name), "http://agent/debug/pprof/"+name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("profile %s: %w: %s", name, err, out)
	}
	return nil
}

// spent is the API server's processor time.
func spent(t testing.TB, api *controlplane.Server) time.Duration {
	t.Helper()
	used, err := api.Spent()
	if err != nil {
		t.Fatal(err)
	}
	return used.CPU
}

// side does something count times, at most so many side by side.
func side(ctx context.Context, atOnce, count int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range numbers {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range count {
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	workers.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
