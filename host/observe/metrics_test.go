package observe

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

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
		datapath, modules, attach := NewDatapathMetrics(registry), NewModuleMetrics(registry), NewAttachMetrics(registry)
		datapath.Flows.Set(12)
		datapath.FlowMods.WithLabelValues("add").Add(12)
		datapath.Bundle.WithLabelValues("ok").Observe(0.01)
		datapath.Repairs.WithLabelValues("flow").Inc()
		modules.Generation.WithLabelValues("networkpolicy").Set(2)
		modules.Batches.WithLabelValues("networkpolicy", "committed").Inc()
		modules.Restarts.WithLabelValues("networkpolicy").Inc()
		modules.Generation.WithLabelValues("other").Set(1)
		modules.Batches.WithLabelValues("other", "failed").Inc()
		modules.Forget("other")
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
			`sluice_module_batches_total{module="networkpolicy",outcome="committed"} 1`,
			`sluice_module_restarts_total{module="networkpolicy"} 1`,
			"sluice_attached_pods 3",
			`sluice_cni_requests_total{command="ADD",outcome="ok"} 1`,
			`sluice_cni_seconds_count{command="ADD"} 1`,
		} {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("no line %q in\n%s", line, text)
			}
		}
		if strings.Contains(text, `"other"`) {
			t.Errorf("the module that was forgotten is still shown:\n%s", text)
		}
	}
}
