package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKubernetesConfig(t *testing.T) {
	for text, want := range map[string]string{
		"kubernetes: {}":                  "",
		"kubernetes: {}\nmodules: []":     "",
		"kubernetes: {}\nmanifests: /m":   "both kubernetes and manifests are set",
		"nodeName: here":                  "neither kubernetes nor manifests is set",
		"kubernetes: {kubeconf: /a/file}": `unknown field "kubeconf"`,
	} {
		path := filepath.Join(t.TempDir(), "agent.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(path)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "" && (c.Probes.Address == "" || c.Kubernetes.Namespace == "" || c.StateDir == ""):
			t.Errorf("%s: defaults are missing: %+v", text, c)
		case want == "" && (len(c.Modules) == 0) != strings.Contains(text, "modules: []"):
			t.Errorf("%s: the floor is %+v", text, c.Modules)
		}
	}
}
