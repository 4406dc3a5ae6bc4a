package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/host/agent"
)

// configuration replaces the text of agent.yaml by what it says: comments and order
// are the writer's.
func configuration(t *testing.T, all map[string]object) {
	t.Helper()
	data, _ := all["ConfigMap/sluice-agent"]["data"].(object)
	text, _ := data["agent.yaml"].(string)
	var parsed object
	if err := yaml.UnmarshalStrict([]byte(text), &parsed); err != nil || len(parsed) == 0 {
		t.Fatalf("agent.yaml: %v\n%s", err, text)
	}
	data["agent.yaml"] = parsed
}

func equal(t *testing.T, base, chart map[string]object) {
	t.Helper()
	configuration(t, base)
	configuration(t, chart)
	for _, name := range slices.Sorted(maps.Keys(base)) {
		if diff := cmp.Diff(base[name], chart[name]); diff != "" {
			t.Errorf("%s: - base, + chart\n%s", name, diff)
		}
	}
	for name := range chart {
		if _, is := base[name]; !is {
			t.Errorf("the chart has %s, and the base has not", name)
		}
	}
}

func TestChartEqualsBase(t *testing.T) {
	equal(t, kustomized(t, "base"), templated(t, object{"namespace": object{"create": true}}))
}

// What a value of the chart does, an overlay or a component does.
func TestChartWithHostOpenVSwitch(t *testing.T) {
	equal(t, kustomized(t, "overlays/host-ovs"), templated(t, object{
		"namespace": object{"create": true}, "openvswitch": object{"enabled": false},
	}))
}

// The agent takes the configuration of every overlay, and overlays change nothing
// that they need not.
func TestOverlays(t *testing.T) {
	base := kustomized(t, "base")
	overlays, err := filepath.Glob("kustomize/overlays/*")
	if err != nil || len(overlays) < 4 {
		t.Fatalf("overlays: %v, %v", overlays, err)
	}
	for _, overlay := range overlays {
		t.Run(filepath.Base(overlay), func(t *testing.T) {
			all := kustomized(t, "overlays/"+filepath.Base(overlay))
			for name := range base {
				if _, is := all[name]; !is && name != "DaemonSet/sluice-openvswitch" {
					t.Errorf("%s is missing", name)
				}
			}
			data, _ := all["ConfigMap/sluice-agent"]["data"].(object)
			text, _ := data["agent.yaml"].(string)
			file := filepath.Join(t.TempDir(), "agent.yaml")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := agent.LoadConfig(file); err != nil {
				t.Error(err)
			}
		})
	}
}
