package api

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
)

// BenchmarkAgent measures an agent in a cluster of SLUICE_PODS Pods (default 10,000), a
// Namespace for each 20 and a NetworkPolicy for each 10 of them: how long from its
// start to the first enforcement, and what it takes in memory then.
func BenchmarkAgent(b *testing.B) {
	pods := 10_000
	if text := os.Getenv("SLUICE_PODS"); text != "" {
		var err error
		if pods, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	api := apitest.Start(b)
	w := newWriter(b, api.Admin())
	w.applyCRDs()
	w.fill(pods/20, func(i int) string { return fmt.Sprintf(namespace, fmt.Sprintf("ns-%d", i)) })
	w.fill(pods, func(i int) string {
		return fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {namespace: ns-%d, name: pod-%d, labels: {app: app-%d, tier: t-%d, pod-template-hash: h%d}},
  spec: {nodeName: node-%d, containers: [{name: c, image: registry.example.org/some/image:v1, ports: [{name: http, containerPort: 8080}]}]},
  status: {phase: Running, podIP: 10.%d.%d.%d, podIPs: [{ip: 10.%d.%d.%d}]}}`,
			i/20, i, i%20, i%3, i/20, i%400, i>>16, i>>8&255, i&255, i>>16, i>>8&255, i&255)
	})
	w.fill(pods/10, func(i int) string {
		return fmt.Sprintf(`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: ns-%d, name: p-%d},
  spec: {podSelector: {matchLabels: {app: app-%d}}, ingress: [{from: [{podSelector: {matchLabels: {tier: t-%d}}}], ports: [{port: 8080}]}]}}`,
			i/2, i, i%20, i%3)
	})
	n := newNode(b, api, w, "node-0", nil)
	for b.Loop() {
		n.stop(syscall.SIGTERM)
		begin := time.Now()
		n.start()
		s := n.await("everything in force", func(s agent.Status) bool { return s.Held == "" && len(s.Modules) == 1 && s.Modules[0].Rules > 0 })
		b.ReportMetric(time.Since(begin).Seconds(), "s/start")
		time.Sleep(10 * time.Second) // what was needed for the start only is given back
		b.ReportMetric(n.memory(b, "VmRSS"), "RSS-MiB")
		b.ReportMetric(n.memory(b, "VmHWM"), "peak-MiB")
		b.ReportMetric(float64(s.Modules[0].RSSBytes)/(1<<20), "sandbox-MiB")
	}
}

// fill makes many objects, some at a time.
func (w writer) fill(count int, manifest func(int) string) {
	w.t.Helper()
	numbers := make(chan int)
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			for i := range numbers {
				o := objectOf(w.t, "%s", manifest(i))
				status, has := o.Object["status"]
				made, err := w.of(o).Create(w.t.Context(), o, metav1.CreateOptions{})
				if err == nil && has {
					made.Object["status"] = status
					_, err = w.of(o).UpdateStatus(w.t.Context(), made, metav1.UpdateOptions{})
				}
				if err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	for i := range count {
		numbers <- i
	}
	close(numbers)
	makers.Wait()
}

// memory is a line of the agent's /proc/PID/status, in MiB.
func (n *node) memory(b *testing.B, what string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.agent.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == what {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatalf("no line %s in\n%s", what, text)
	return 0
}
