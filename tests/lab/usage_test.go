package lab

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// What the sandbox of each module takes is seen by people and in metrics, and is
// what the kernel says of its process.
func TestUsageOfModules(t *testing.T) {
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}})
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []agent.ModuleStatus
	if err := json.Unmarshal([]byte(labtest.Ctl(t, l, "east", "get", "modules", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].RSSBytes < 1<<20 || all[0].CPUMillis == 0 {
		t.Errorf("the modules are %+v", all)
	}
	table := labtest.Ctl(t, l, "east", "get", "modules")
	if !regexp.MustCompile(`(?s)NAME .* CPU +MEMORY .*networkpolicy .*\d\.\d\d s +\d+\.\d MiB`).MatchString(table) {
		t.Errorf("people are shown:\n%s", table)
	}
	metrics, err := l.Agent("east").Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for metric, least := range map[string]float64{"sluice_module_memory_bytes": 1 << 20, "sluice_module_cpu_seconds": 0.001} {
		_, rest, _ := strings.Cut(string(metrics), "\n"+metric+`{module="networkpolicy"} `)
		value, _, _ := strings.Cut(rest, "\n")
		if n, err := strconv.ParseFloat(value, 64); err != nil || n < least {
			t.Errorf("%s is %q", metric, value)
		}
	}
}
