package api

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/api/v1alpha1"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
	"github.com/sluice-net/sluice/tests/modules"
)

// applyCRDs installs the project's CustomResourceDefinitions.
func (w writer) applyCRDs() {
	w.t.Helper()
	files, err := filepath.Glob("../../../deploy/crds/policy.sluice.dev_*.yaml")
	if err != nil || len(files) == 0 {
		w.t.Fatal("no CustomResourceDefinitions", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		w.apply("%s", text)
	}
}

// nodeStatus is a node's NodePolicyStatus; an empty one while there is none.
func (w writer) nodeStatus(name string) (s v1alpha1.NodePolicyStatus) {
	w.t.Helper()
	o, err := w.client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"}).
		Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return s
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w writer) awaitNode(name, what string, is func(v1alpha1.NodeStatus) bool) v1alpha1.NodePolicyStatus {
	w.t.Helper()
	var s v1alpha1.NodePolicyStatus
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		if s = w.nodeStatus(name); s.Name != "" && is(s.Status) {
			return s
		}
	}
	w.t.Fatalf("in vain: %s; the NodePolicyStatus of %s is %+v", what, name, s)
	return s
}

func moduleOf(s v1alpha1.NodeStatus, name string) v1alpha1.NodeModule {
	for _, m := range s.Modules {
		if m.Name == name {
			return m
		}
	}
	return v1alpha1.NodeModule{}
}

func running(name string) func(v1alpha1.NodeStatus) bool {
	return func(s v1alpha1.NodeStatus) bool { return moduleOf(s, name).State == "running" }
}

const (
	configMap = `{apiVersion: v1, kind: ConfigMap, metadata: {namespace: default, name: %s}, binaryData: {module.wasm: %s}}`
	fromMap   = `{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: %s}, spec: {source: {configMap: {name: %s}, digest: "%s"}%s}}`
)

func digestOf(wasm []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(wasm)) }

// PolicyModules are followed while the agent runs, and what became of them is in the
// API.
func TestPolicyModules(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	w.apply(namespace, "default")
	n := newNode(t, api, w, "here", nil)
	n.start()
	n.await("the floor without CustomResourceDefinitions", func(s agent.Status) bool {
		return s.Held == "" && len(s.Modules) == 1 && strings.Contains(fmt.Sprint(s.Problems), "create the CustomResourceDefinition policymodules.policy.sluice.dev")
	})
	w.applyCRDs()
	s := w.awaitNode("here", "the floor's module", running("networkpolicy"))
	if len(s.OwnerReferences) != 1 || s.OwnerReferences[0].Kind != "Node" {
		t.Errorf("the status does not go with its node: %+v", s.OwnerReferences)
	}
	other, err := modules.Wasm("other")
	if err != nil {
		t.Fatal(err)
	}
	second, err := modules.Wasm("good-then-trap")
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString

	t.Run("the taint goes", func(t *testing.T) {
		for limit := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			taints := fmt.Sprint(w.get("", "v1", "nodes", "", "here").Object["spec"])
			if !strings.Contains(taints, "agent-not-ready") {
				if !strings.Contains(taints, "other") {
					t.Errorf("somebody else's taint went as well: %s", taints)
				}
				break
			}
			if time.Now().After(limit) {
				t.Fatal("the node keeps its taint")
			}
		}
	})
	t.Run("from a ConfigMap", func(t *testing.T) {
		w.apply(fromMap, "house", "house", digestOf(other), "")
		w.awaitNode("here", "what is missing", func(s v1alpha1.NodeStatus) bool {
			return strings.Contains(moduleOf(s, "house").LastError, `configmaps "house" not found`)
		})
		w.apply(configMap, "house", text([]byte("no module")))
		w.awaitNode("here", "the digest that does not match", func(s v1alpha1.NodeStatus) bool {
			return strings.Contains(moduleOf(s, "house").LastError, "has the digest "+digestOf([]byte("no module")))
		})
		w.apply(configMap, "house", text(other))
		m := moduleOf(w.awaitNode("here", "the module", running("house")).Status, "house")
		if m.Digest != digestOf(other) || m.ObservedGeneration != 1 || m.LastError != "" {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("another digest", func(t *testing.T) {
		w.apply(configMap, "second", text(second))
		w.apply(fromMap, "house", "second", digestOf(second), "")
		w.awaitNode("here", "the second", func(s v1alpha1.NodeStatus) bool { return moduleOf(s, "house").Digest == digestOf(second) })
		w.apply(configMap, "junk", text([]byte("no module")))
		w.apply(fromMap, "house", "junk", digestOf([]byte("no module")), "")
		s := w.awaitNode("here", "what is no module", func(s v1alpha1.NodeStatus) bool {
			return strings.Contains(moduleOf(s, "house").LastError, "is not a WebAssembly module")
		})
		if m := moduleOf(s.Status, "house"); m.Digest != digestOf(second) || m.State != "running" {
			t.Errorf("what is no module took something away: %+v", m)
		}
	})
	t.Run("order and grant", func(t *testing.T) {
		w.apply(fromMap, "house", "house", digestOf(other), ", order: 5, grant: {resources: [pods], tiers: [Network], actions: [Allow]}")
		w.awaitNode("here", "the heir", func(s v1alpha1.NodeStatus) bool {
			m := moduleOf(s, "house")
			return m.Digest == digestOf(other) && m.State == "running" && m.LastError == "" && s.Modules[len(s.Modules)-1].Name == "house"
		})
	})
	t.Run("what the API server refuses", func(t *testing.T) {
		for _, bad := range []struct{ spec, want string }{
			{"{source: {}}", "exactly one of"},
			{"{source: {builtin: a, file: /b}}", "exactly one of"},
			{"{source: {configMap: {name: a}}}", "digest is needed"},
			{"{source: {oci: {reference: registry/a:v1}}}", "digest is needed"},
			{"{source: {builtin: a}, mode: Shadow, rollout: {}}", "a shadow puts nothing in force"},
			{"{source: {builtin: a}, insteadOf: b}", "insteadOf is for mode Shadow"},
			{"{source: {builtin: a}, grant: {actions: [Drop]}}", "Unsupported value"},
		} {
			o := objectOf(t, `{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: bad}, spec: %s}`, bad.spec)
			_, err := w.of(o).Create(t.Context(), o, metav1.CreateOptions{})
			if err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("%s: got %v, want %s", bad.spec, err, bad.want)
			}
		}
	})
	t.Run("a shadow, and back", func(t *testing.T) {
		w.apply(fromMap, "house", "house", digestOf(other), ", mode: Shadow")
		w.awaitNode("here", "the shadow", func(s v1alpha1.NodeStatus) bool {
			m := moduleOf(s, "house")
			return m.Mode == v1alpha1.Shadow && m.State == "running"
		})
	})
	t.Run("the floor's place", func(t *testing.T) {
		w.apply(`{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: networkpolicy}, spec: {source: {builtin: nothing}}}`)
		w.awaitNode("here", "the error", func(s v1alpha1.NodeStatus) bool {
			m := moduleOf(s, "networkpolicy")
			return strings.Contains(m.LastError, `there is no built-in module "nothing"`) && m.State == "running"
		})
		w.apply(`{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: networkpolicy}, spec: {source: {builtin: networkpolicy}, order: 3}}`)
		w.awaitNode("here", "the PolicyModule", func(s v1alpha1.NodeStatus) bool {
			m := moduleOf(s, "networkpolicy")
			return m.ObservedGeneration == 2 && m.State == "running" && m.LastError == ""
		})
		w.delete(`{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: networkpolicy}}`)
		w.awaitNode("here", "the floor", func(s v1alpha1.NodeStatus) bool {
			m := moduleOf(s, "networkpolicy")
			return m.ObservedGeneration == 0 && m.State == "running"
		})
	})
	t.Run("removal", func(t *testing.T) {
		w.delete(`{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: house}}`)
		w.awaitNode("here", "the end", func(s v1alpha1.NodeStatus) bool { return len(s.Modules) == 1 && s.ModulesRunning == "1/1" })
	})
	t.Run("what only it watched", func(t *testing.T) {
		watching := modules.Manifest()
		watching.Resources = []string{"widgets.example.org"}
		bare, err := modules.Bare("steady")
		if err != nil {
			t.Fatal(err)
		}
		watcher, err := modules.With(bare, watching)
		if err != nil {
			t.Fatal(err)
		}
		// The API server does not serve these: as long as they are watched, that is said.
		missing := func(s agent.Status) bool {
			return strings.Contains(fmt.Sprint(s.Problems), "create the CustomResourceDefinition widgets.example.org")
		}
		w.apply(configMap, "watcher", text(watcher))
		w.apply(fromMap, "watcher", "watcher", digestOf(watcher), "")
		n.await("what is watched for the module", missing)
		w.delete(`{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: watcher}}`)
		n.await("nothing watched for nobody", func(s agent.Status) bool { return !missing(s) && len(s.Modules) == 1 })
	})
	t.Run("how far policy is", func(t *testing.T) {
		p := w.apply(policy, "default", "p")
		w.awaitNode("here", "the policy", func(s v1alpha1.NodeStatus) bool {
			for _, r := range s.Realised {
				if r.Resource == policies {
					return number(r.ResourceVersion) >= number(p.GetResourceVersion())
				}
			}
			return false
		})
	})
}
