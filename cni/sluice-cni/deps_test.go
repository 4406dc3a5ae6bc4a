package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The plugin is started for every Pod and copied to every node: it stays small, and needs nothing of Kubernetes.
func TestNothingOfKubernetesIsImported(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/sluice-net/sluice/cni/...").Output()
	if err != nil {
		t.Fatalf("list what the plugin imports: %v", err)
	}
	list := strings.Fields(string(out))
	if len(list) < 50 {
		t.Fatalf("that cannot be all: %v", list)
	}
	for _, path := range list {
		if strings.HasPrefix(path, "k8s.io/") || strings.HasPrefix(path, "sigs.k8s.io/") || strings.Contains(path, "sluice/host/") {
			t.Errorf("the plugin imports %s", path)
		}
	}
}
