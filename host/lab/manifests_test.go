package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const mixed = `# a comment alone is no document
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop} # kept as it is
spec: {podSelector: {}}
---
this: [is not YAML
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: a}}
`

// With policies every document keeps its number; without, only what the lab is
// built of is left.
func TestRenderKeepsPlaces(t *testing.T) {
	objects := load(t, map[string]string{"all.yaml": mixed})
	plan, err := NewPlan(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		policies bool
		want     []string // a word of each document
	}{
		{false, []string{"kind: Pod", "kind: Namespace"}},
		{true, []string{"kind: Pod", "# kept as it is", "is not YAML", "kind: Namespace"}},
	} {
		content, err := objects.render(objects.files[0], plan, test.policies)
		if err != nil {
			t.Fatal(err)
		}
		documents := strings.Split(string(content), "---\n")
		if len(documents) != len(test.want) {
			t.Fatalf("policies %v: %d documents, want %d:\n%s", test.policies, len(documents), len(test.want), content)
		}
		for i, want := range test.want {
			if !strings.Contains(documents[i], want) {
				t.Errorf("policies %v: document %d has no %q:\n%s", test.policies, i+1, want, documents[i])
			}
		}
	}
}

func TestRenderShowsWhatAnAPIServerWould(t *testing.T) {
	objects := load(t, map[string]string{"all.yaml": mixed})
	plan, err := NewPlan(objects)
	if err != nil {
		t.Fatal(err)
	}
	content, err := objects.render(objects.files[0], plan, false)
	if err != nil {
		t.Fatal(err)
	}
	podText, namespaceText, _ := strings.Cut(string(content), "---\n")
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(podText), &pod); err != nil {
		t.Fatal(err)
	}
	if pod.Spec.NodeName != "node1" || pod.Status.Phase != corev1.PodRunning || pod.Status.HostIP != "192.168.100.2" ||
		pod.Status.PodIP != "10.1.0.2" || len(pod.Status.PodIPs) != 2 || pod.Status.PodIPs[1].IP != "fd00:10:1::2" {
		t.Errorf("Pod as shown:\n%s", podText)
	}
	if !strings.Contains(namespaceText, "kubernetes.io/metadata.name: other") || !strings.Contains(namespaceText, "team: a") {
		t.Errorf("Namespace as shown:\n%s", namespaceText)
	}
	implied, err := objects.renderImplied(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Node\n", "address: 192.168.100.2", "podCIDR: 10.1.0.0/24", "name: node1", "kubernetes.io/metadata.name: shop"} {
		if !strings.Contains(string(implied), want) {
			t.Errorf("no %q among the implied objects:\n%s", want, implied)
		}
	}
	if strings.Contains(string(implied), "other") {
		t.Errorf("a declared namespace is implied again:\n%s", implied)
	}
}

func TestLoadNamesWhatItCannotRead(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"a wrong type", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: 7}\n", "document 1: Pod: "},
		{"an unknown field", "a: b\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwrok: true}\n", `document 2: Pod: `},
		{"no name", "apiVersion: v1\nkind: Namespace\n", "document 1: metadata.name is empty"},
		{"a name that is none", "apiVersion: v1\nkind: Pod\nmetadata: {name: ../a}\n", `document 1: metadata.name "../a"`},
		{"a node that is none", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {nodeName: a/b, containers: []}\n", `spec.nodeName "a/b"`},
		{"a port beyond the last", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, ports: [{containerPort: 65536}]}]}\n", "spec.containers[0].ports[0].containerPort 65536"},
		{"a protocol that is none", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, ports: [{containerPort: 1, protocol: tcp}]}]}\n", `spec.containers[0].ports[0]: protocol "tcp"`},
		{"a Pod twice", strings.Repeat("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n", 2), "two Pods named default/a"},
		{"a mixed list", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: apps/v1, kind: Deployment}\n", "document 1: this List mixes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.yaml")
			if err := os.WriteFile(path, []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Load([]string{path})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := Load([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "has no *.yaml") {
		t.Errorf("an empty directory gives %v", err)
	}
}

func TestListsAreTakenApart(t *testing.T) {
	objects := load(t, map[string]string{"l.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: a}}\n"})
	if len(objects.Pods) != 1 || len(objects.Namespaces) != 1 {
		t.Errorf("%d Pods and %d Namespaces, want one of each", len(objects.Pods), len(objects.Namespaces))
	}
}
