package api

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
)

// conditionOf waits until a condition of an object is as it should be.
func (w writer) conditionOf(group, version, resource, name, kind string, is func(metav1.Condition) bool) {
	w.t.Helper()
	var o *unstructured.Unstructured
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		o = w.get(group, version, resource, "", name)
		list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, each := range list {
			text, err := json.Marshal(each)
			var c metav1.Condition
			if err != nil || json.Unmarshal(text, &c) != nil {
				w.t.Fatal(err, each)
			}
			if c.Type == kind && is(c) {
				return
			}
		}
	}
	w.t.Fatalf("in vain: condition %s of %s %s, whose status is %v", kind, resource, name, o.Object["status"])
}

// notServed waits until a node's status names a resource that the API server does not
// have, or none. Nothing is refused either way.
func (w writer) notServed(node, resource, reason string) {
	w.t.Helper()
	var status v1alpha1.NodePolicyStatus
	client := w.client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"})
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		o, err := client.Get(w.t.Context(), node, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		status = v1alpha1.NodePolicyStatus{}
		if err == nil {
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &status)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		missing, refused := status.Status.NotServed, status.Status.RefusedTotal
		if resource == "" && len(missing) == 0 && refused == 0 { // a definition that is not in effect yet is a refusal
			return
		}
		if len(missing) == 1 && missing[0].Resource == resource && strings.Contains(missing[0].Reason, reason) {
			if refused != 0 {
				w.t.Errorf("what is not served counts as refused: %+v", status.Status)
			}
			return
		}
	}
	w.t.Fatalf("in vain: %q is not served: %+v", resource, status.Status)
}

// What concerns the whole cluster is said once, where its author looks.
func TestSpeaker(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	w.apply(namespace, "default")
	w.applyCRDs()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/network-policy-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	crd, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "config/crd/experimental/policy.networking.k8s.io_clusternetworkpolicies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		newNode(t, api, w, name, nil).start()
	}
	w.apply(`{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: cnp}, spec: {source: {builtin: clusternetworkpolicy}}}`)
	w.notServed("one", "clusternetworkpolicies.policy.networking.k8s.io", "create the CustomResourceDefinition")
	w.apply("%s", crd)
	w.notServed("one", "", "")
	const missing = `{apiVersion: policy.sluice.dev/v1alpha1, kind: PolicyModule, metadata: {name: missing}, spec: {source: {builtin: nothing}, onFirstFailure: Ignore}}`
	const modules = "policymodules"
	for range 2 { // the second is another object of the same name and generation
		w.apply(missing)
		w.conditionOf(v1alpha1.Group, v1alpha1.Version, modules, "missing", v1alpha1.Accepted, func(c metav1.Condition) bool {
			return c.Status == metav1.ConditionFalse && c.Reason == "Invalid" && strings.Contains(c.Message, "use one of") && c.ObservedGeneration == 1
		})
		w.delete(missing)
	}
	w.conditionOf(v1alpha1.Group, v1alpha1.Version, modules, "cnp", v1alpha1.Accepted, func(c metav1.Condition) bool { return c.Status == metav1.ConditionTrue })
	for limit := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		running, _, _ := unstructured.NestedString(w.get(v1alpha1.Group, v1alpha1.Version, modules, "", "cnp").Object, "status", "running")
		if running == "2/2" {
			break
		}
		if time.Now().After(limit) {
			nodes, err := w.client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"}).List(t.Context(), metav1.ListOptions{})
			t.Fatalf("the module runs on %q; the nodes' statuses: %v, %v", running, nodes, err)
		}
	}

	const cluster = `{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: %s},
  spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{%s}]}]}}`
	const accepted = v1alpha1.Group + "/Accepted"
	for range 2 {
		w.apply(cluster, "good", "networks: [192.0.2.0/24]")
		w.conditionOf("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", "good", accepted, func(c metav1.Condition) bool {
			return c.Status == metav1.ConditionTrue
		})
		w.delete(cluster, "good", "networks: [192.0.2.0/24]")
	}
	w.apply(cluster, "names", `domainNames: ["example.org"]`)
	w.conditionOf("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", "names", accepted, func(c metav1.Condition) bool {
		return c.Reason == "FailedClosed" && strings.Contains(c.Message, "spec.egress[0]")
	})

	huge := objectOf(t, policy, "default", "huge")
	rules := slices.Repeat([]any{map[string]any{}}, 5001)
	if err := unstructured.SetNestedSlice(huge.Object, rules, "spec", "ingress"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.of(huge).Create(t.Context(), huge, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	events := w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace("default")
	for limit := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		list, err := events.List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=huge"})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) == 1 {
			if text := fmt.Sprint(list.Items[0].Object); !strings.Contains(text, "reason:Invalid") || !strings.Contains(text, "involvedObject:map[apiVersion:networking.k8s.io/v1 kind:NetworkPolicy name:huge") {
				t.Errorf("the Event is %s", text)
			}
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("%d Events about a policy that is refused", len(list.Items))
		}
	}
	if _, code, _ := wait(t, api.Admin(), "networkpolicy/huge", "-n", "default"); code != 0 {
		t.Error("a policy that concerns nobody is waited for")
	}
	w.apply(pod, "default", "a", "a", "one")
	if r, code, said := wait(t, api.Admin(), "networkpolicy/huge", "-n", "default"); code != 4 || !strings.Contains(fmt.Sprint(r.Missing()), "is one rule too many") {
		t.Errorf("a policy that is refused: code %d, %+v, %s", code, r, said)
	}
}
