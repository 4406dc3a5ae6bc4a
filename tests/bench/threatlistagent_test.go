package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

func TestThreatlistAgent(t *testing.T) {
	out := newTable()
	threatlistAgent(t, out, threatlistSize{cidrs: 2_000, objects: 4})
	for _, miss := range out.missed("flow-mods") {
		t.Error(miss)
	}
}

// threatlistAgent gives long lists to a whole agent: how it starts, works and starts
// again with them, and what a Pod that comes meanwhile notices.
func threatlistAgent(tb testing.TB, out *table, size threatlistSize) {
	module := filepath.Join(labtest.Bin(tb), "modules", "threatlist.wasm")
	if _, err := os.Stat(module); err != nil {
		tb.Skipf("%v: see what `make modules` says", err)
	}
	ctx := tb.Context()
	l := startLab(tb, lab.Options{
		Modules: []string{module, lab.BuiltinModule},
		Limits:  map[string]int{"flows": 3 * size.cidrs}, // and some hundred others, if there are few
		ModuleSettings: map[string]lab.ModuleSettings{"threatlist": {Grant: map[string]any{
			"resources": []string{"threatlists.policy.sluice.dev"}, "tiers": []string{"admin"}, "actions": []string{"deny"},
			"limits": map[string]int{"memoryMiB": 256, "batchMillis": 10_000, "snapshotMillis": 60_000, "addresses": 2 * size.cidrs},
		}}},
	}, labPods(4, 2))
	realised := func(what string) time.Duration {
		tb.Helper()
		start := time.Now()
		var err error
		for range 3 { // each is an attempt of 90 s
			if err = l.WaitRealised(ctx); err == nil {
				return time.Since(start)
			}
		}
		tb.Fatalf("%s: %v", what, err)
		return 0
	}
	realised("without lists")
	before := flowsWritten(tb, l)
	switchd := resident(tb, switchdOf(tb, l))
	job := threatlistJob{CIDRs: size.cidrs, Objects: size.objects}
	for o := range size.objects {
		if err := l.ApplyContent(fmt.Sprintf("feed-%d.json", o), job.threats(o).JSON); err != nil {
			tb.Fatal(err)
		}
	}
	loaded := realised("the lists")
	written := flowsWritten(tb, l) - before
	working := l.Agent(lab.DefaultNode).PID()
	peak, err := peakMemory(working)
	if err != nil {
		tb.Fatal(err)
	}
	var adds []time.Duration
	for range 20 { // the patrol comes in between
		if err := l.DetachPod(ctx, "shop/pod-003"); err != nil {
			tb.Fatal(err)
		}
		start := time.Now()
		if err := l.AttachPod(ctx, "shop/pod-003"); err != nil {
			tb.Fatal(err)
		}
		adds = append(adds, time.Since(start))
	}
	after := resident(tb, working)
	start := time.Now()
	if err := l.Agent(lab.DefaultNode).Restart(ctx); err != nil {
		tb.Fatal(err)
	}
	realised("after a restart of the agent")
	again := time.Since(start)
	body, err := l.Agent(lab.DefaultNode).Get(ctx, "/v1/status")
	var status agent.Status
	if err == nil {
		err = json.Unmarshal(body, &status)
	}
	if err != nil {
		tb.Fatal(err)
	}
	mib := func(bytes float64) float64 { return bytes / (1 << 20) }
	what := fmt.Sprintf("an agent with %s CIDRs in %d files: ", number(float64(size.cidrs)), size.objects)
	out.add(row{
		Work: what + "written, to in force", Figure: loaded.Seconds(), Unit: "s",
		Note: fmt.Sprintf("%s flows; reading the files is part of it", number(float64(written))),
	})
	out.add(row{
		Work: "  memory of the agent, afterwards", Figure: mib(after), Unit: "MiB",
		Note: fmt.Sprintf("at the peak %.0f MiB; ovs-vswitchd has %.0f MiB more than without", mib(peak), mib(resident(tb, switchdOf(tb, l))-switchd)),
	})
	out.add(row{Work: "  CNI ADD of a Pod, p50", Figure: percentile(adds, 50), Unit: "ms"})
	out.add(row{Work: "  ... the longest of 20: behind the patrol", Figure: percentile(adds, 100), Unit: "ms"})
	out.add(row{Work: "  restart of the agent, to in force", Figure: again.Seconds(), Unit: "s"})
	out.add(row{Work: "  ... flow-mods", Figure: float64(status.Flows.Written), Unit: "flow-mods", Aim: atMost(0).own()})
}

func switchdOf(tb testing.TB, l *lab.Lab) int {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(l.OVS(lab.DefaultNode).Dir(), "ovs-vswitchd.pid"))
	if err != nil {
		tb.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		tb.Fatal(err)
	}
	return pid
}
