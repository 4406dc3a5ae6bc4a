package api

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
)

const (
	namespace = `{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {team: a}, annotations: {policy.sluice.dev/audit-logging: "true", other: x}}}`
	aNode     = `{apiVersion: v1, kind: Node, metadata: {name: %s, labels: {zone: z}}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}`
	pod       = `{apiVersion: v1, kind: Pod, metadata: {namespace: %s, name: %s, labels: {app: %s}, annotations: {long: text}},
  spec: {nodeName: %s, containers: [{name: c, image: x, env: [{name: A, value: b}], ports: [{name: http, containerPort: 8080}, {containerPort: 9}]}]},
  status: {phase: Running, podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}]}}`
	policy  = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: %s, name: %s}, spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}`
	widgets = `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.org},
  spec: {group: example.org, scope: Namespaced, names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList},
    versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`
	widget = `{apiVersion: example.org/v1, kind: Widget, metadata: {namespace: %s, name: %s}, size: 3}`
)

const policies = cluster.NetworkPolicies

// A source delivers what the API holds, as far as it is used, and follows it.
func TestSource(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	w.apply(namespace, "shop")
	w.apply(aNode, "here")
	w.apply(pod, "shop", "web", "web", "here")
	w.apply(policy, "shop", "p")
	config := connect(t, api.Admin())
	k, r, _ := follow(t, cluster.KubernetesOptions{Config: config, NodeName: "here"})
	r.await("the first complete list", func() bool { return r.synced })

	t.Run("keeps what is used", func(t *testing.T) {
		e := r.awaitObject("pods shop/web")
		p := podIn(e)
		if p.Labels["app"] != "web" || p.Spec.NodeName != "here" || p.Status.PodIP != "10.1.0.1" || p.Spec.Containers[0].Ports[0].Name != "http" {
			t.Errorf("the Pod lacks something: %+v", p)
		}
		if len(p.Annotations)+len(p.ManagedFields)+len(p.Spec.Containers[0].Env) > 0 || len(p.Spec.Containers[0].Ports) != 1 || e.JSON != nil {
			t.Errorf("the Pod has something that nobody uses: %+v", e)
		}
		if got := r.awaitObject("namespaces shop"); got.JSON != nil {
			t.Errorf("a Namespace that nobody asked for has JSON: %s", got.JSON)
		}
		if _, there := r.objects[policies+" shop/p"]; there {
			t.Error("policies are delivered before somebody asks for them")
		}
	})
	t.Run("what is asked for", func(t *testing.T) {
		if err := k.Watch(t.Context(), "module", []string{policies}); err != nil {
			t.Fatal(err)
		}
		e := r.awaitObject(policies + " shop/p")
		json := string(e.JSON)
		if !strings.Contains(json, `"policyTypes":["Ingress"]`) || !strings.Contains(json, `"protocol":"TCP"`) || strings.Contains(json, "managedFields") || e.Generation != 1 {
			t.Errorf("the policy is not as the API has it: %s", json)
		}
		changed := w.apply(strings.Replace(policy, "80", "81", 1), "shop", "p")
		r.await("the change of the policy", func() bool { return r.objects[policies+" shop/p"].Generation == 2 })
		r.await("its version", func() bool { return number(k.Versions()[policies]) >= number(changed.GetResourceVersion()) })
		if err := k.Watch(t.Context(), "other module", []string{cluster.Pods}); err != nil {
			t.Fatal(err)
		}
		e = r.awaitObject("pods shop/web")
		if podIn(e).Labels["app"] != "web" || !strings.Contains(string(e.JSON), `"env"`) {
			t.Errorf("a Pod that a module may see is not whole: %s", e.JSON)
		}
		if err := k.Watch(t.Context(), "module", []string{"widgets.example.org"}); err != nil {
			t.Fatal(err)
		}
		k.Unwatch("module", []string{policies})
		r.awaitProblem("") // about widgets, which nobody asks for now
		if _, there := r.objects[policies+" shop/p"]; !there {
			t.Error("a policy went that is still asked for")
		}
		k.Unwatch("module", nil)
		r.awaitGone(policies + " shop/p")
		k.Unwatch("other module", nil)
		r.await("the Pod without JSON", func() bool { return r.objects["pods shop/web"].JSON == nil })
	})
	t.Run("what does not matter is no event", func(t *testing.T) {
		before := r.awaitObject("pods shop/web")
		w.patch(`{"metadata": {"annotations": {"long": "other"}}}`, pod, "shop", "web", "", "")
		w.apply(pod, "shop", "later", "x", "here")
		r.awaitObject("pods shop/later")
		if r.awaitObject("pods shop/web").Object != before.Object {
			t.Error("a change of an annotation was delivered")
		}
	})
	t.Run("a Pod", func(t *testing.T) {
		p, err := k.Pod(t.Context(), "shop", "web")
		if err != nil || p.Labels["app"] != "web" {
			t.Errorf("got %v, %v", p, err)
		}
		if _, err := k.Pod(t.Context(), "shop", "none"); !apierrors.IsNotFound(err) {
			t.Errorf("a Pod that is not there: %v", err)
		}
		// The watch does not get through, a question does.
		w.apply(pod, "shop", "elsewhere", "x", "there")
		if p, err := k.Pod(t.Context(), "shop", "elsewhere"); err != nil || p.Spec.NodeName != "there" {
			t.Errorf("got %v, %v", p, err)
		}
		w.delete(pod, "shop", "elsewhere", "x", "there")
		r.awaitGone("pods shop/elsewhere")
	})
	t.Run("a resource comes and goes", func(t *testing.T) {
		const one = "widgets.example.org shop/one"
		if err := k.Watch(t.Context(), "module", []string{"widgets.example.org"}); err != nil {
			t.Fatal(err)
		}
		r.awaitProblem("create the CustomResourceDefinition widgets.example.org")
		w.apply(widgets)
		r.awaitProblem("")
		w.apply(widget, "shop", "one")
		r.awaitObject(one)
		w.delete(widgets)
		r.awaitGone(one)
		r.awaitProblem("create the CustomResourceDefinition widgets.example.org")
		k.Unwatch("module", nil)
		r.awaitProblem("")
	})
	t.Run("an outage takes nothing away", func(t *testing.T) {
		if err := k.Watch(t.Context(), "module", []string{policies}); err != nil {
			t.Fatal(err)
		}
		w.apply(policy, "shop", "stays")
		w.apply(policy, "shop", "goes")
		r.awaitObject(policies + " shop/goes")
		r.mu.Lock()
		r.deleted = nil
		r.mu.Unlock()
		if err := api.StopAPI(); err != nil {
			t.Fatal(err)
		}
		r.awaitProblem("what was read before stays in force")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Pod(short, "shop", "web"); err != nil {
			t.Errorf("a Pod that is known is not found while the API is away: %v", err)
		}
		if _, err := k.Pod(short, "shop", "new"); err == nil || apierrors.IsNotFound(err) {
			t.Errorf("a Pod that is not known, while the API is away: %v", err)
		}
		if err := api.StartAPI(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.delete(policy, "shop", "goes")
		r.awaitGone(policies + " shop/goes")
		r.awaitProblem("")
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.deleted) != 1 {
			t.Errorf("an outage took away %v", r.deleted)
		}
	})
}

// A source without rights says what is missing, and delivers what it may read.
func TestSourceWithoutRights(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	const role = `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: reader},
  rules: [{apiGroups: [""], resources: [pods, namespaces, nodes%s], verbs: [get, list, watch]}, {apiGroups: [networking.k8s.io], resources: [%s], verbs: [get, list, watch]}]}`
	w.apply(role, "", "ingresses")
	w.apply(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: reader},
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: agent}]}`)
	user, err := api.Kubeconfig("agent")
	if err != nil {
		t.Fatal(err)
	}
	k, r, _ := follow(t, cluster.KubernetesOptions{Config: connect(t, user), NodeName: "here"})
	r.await("the first complete list", func() bool { return r.synced })
	err = k.Watch(t.Context(), "module", []string{policies})
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `cannot`) {
		t.Errorf("policies that may not be read: %v", err)
	}
	r.awaitProblem("give the agent's ServiceAccount get, list and watch on " + policies)
	w.apply(namespace, "shop")
	r.awaitObject("namespaces shop")
	w.apply(role, "", "networkpolicies")
	w.apply(policy, "shop", "p")
	r.awaitObject(policies + " shop/p")
	r.awaitProblem("")
	if err := k.Watch(t.Context(), "module", []string{policies}); err != nil {
		t.Error(err)
	}
}
