package observe

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func copyAll(to io.Writer, r *http.Response) (int64, error) {
	defer r.Body.Close()
	return io.Copy(to, r.Body)
}

func itoa(n int) string { return strconv.Itoa(n) }

// Two agents in one process have each their own metrics, and every metric
// follows the conventions of Prometheus.
func TestMetrics(t *testing.T) {
	for range 2 {
		registry := prometheus.NewPedanticRegistry()
		datapath, attach := NewDatapathMetrics(registry), NewAttachMetrics(registry)
		datapath.Flows.Set(12)
		datapath.FlowMods.WithLabelValues("add").Add(12)
		datapath.Bundle.WithLabelValues("ok").Observe(0.01)
		datapath.Repairs.WithLabelValues("flow").Inc()
		shown := []ModuleSample{{Name: "networkpolicy", State: "running", Version: "1", Digest: "sha256:00", Generation: 2, CPU: 1500 * time.Millisecond, MemoryBytes: 1 << 20, Batches: 7}, {Name: "other"}}
		RegisterModules(registry, func() []ModuleSample { return shown })
		shown = shown[:1] // the other one was removed
		attach.AttachedPods.Set(3)
		attach.Requests.WithLabelValues("ADD", "ok").Inc()
		attach.Seconds.WithLabelValues("ADD").Observe(0.05)

		recorder := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		text := recorder.Body.String()
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
		for _, line := range []string{
			"sluice_flows 12",
			`sluice_flow_mods_total{operation="add"} 12`,
			`sluice_bundle_seconds_count{outcome="ok"} 1`,
			`sluice_reconcile_repairs_total{what="flow"} 1`,
			`sluice_module_generation{module="networkpolicy"} 2`,
			`sluice_module_info{digest="sha256:00",module="networkpolicy",state="running",version="1"} 1`,
			`sluice_module_batches_total{module="networkpolicy"} 7`,
			`sluice_module_cpu_seconds{module="networkpolicy"} 1.5`,
			`sluice_module_memory_bytes{module="networkpolicy"} 1.048576e+06`,
			"sluice_attached_pods 3",
			`sluice_cni_requests_total{command="ADD",outcome="ok"} 1`,
			`sluice_cni_seconds_count{command="ADD"} 1`,
		} {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("no line %q in\n%s", line, text)
			}
		}
		if strings.Contains(text, `"other"`) {
			t.Errorf("a module that was removed is still shown:\n%s", text)
		}
	}
}
