package cluster

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const shop = `# A Namespace, its Pods and what they may do.
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}, uid: given, resourceVersion: "77", generation: 9}
spec:
  nodeName: n1
  initContainers: [{name: i, ports: [{containerPort: 81}]}]
  containers: [{name: c, ports: [{containerPort: 80, name: http}, {containerPort: 53, protocol: UDP}]}]
status: {podIPs: [{ip: 10.1.0.2}, {ip: "fd00::2"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
status: {podIP: 10.1.0.3}
---
` + "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec: {podSelector: {}, egress: [{ports: [{port: 53}, {protocol: UDP, port: 53}]}]}\n"

// fields is the event's object as a tree.
func fields(t *testing.T, e Event) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(e.JSON, &out); err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	return out
}

// at follows a path of names through a tree and prints what is there.
func at(t *testing.T, tree map[string]any, path ...string) string {
	t.Helper()
	var here any = tree
	for _, name := range path {
		here = here.(map[string]any)[name]
	}
	out, err := json.Marshal(here)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestLoadOnce(t *testing.T) {
	dir := write(t, map[string]string{"shop.yaml": shop})
	events, problems, err := LoadOnce([]string{dir})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	want := strings.Join([]string{
		"put namespaces default", "put namespaces shop", "put nodes n1", "put pods default/client", "put pods shop/web",
		"put networkpolicies.networking.k8s.io shop/web",
	}, "\n")
	if got := names(events); got != want {
		t.Fatalf("events\n%s\nwant\n%s", got, want)
	}
	implied, namespace, client, web, policy := fields(t, events[0]), fields(t, events[1]), fields(t, events[3]), fields(t, events[4]), fields(t, events[5])
	for _, check := range []struct{ got, want string }{
		{at(t, implied, "metadata", "labels"), `{"kubernetes.io/metadata.name":"default"}`},
		{at(t, namespace, "metadata", "labels"), `{"kubernetes.io/metadata.name":"shop","team":"blue"}`},
		{at(t, namespace, "status", "phase"), `"Active"`},
		{at(t, client, "metadata", "namespace"), `"default"`},
		{at(t, client, "status"), `{"phase":"Pending","podIP":"10.1.0.3","podIPs":[{"ip":"10.1.0.3"}]}`},
		{at(t, web, "status", "podIP"), `"10.1.0.2"`},
		{at(t, web, "apiVersion") + at(t, web, "kind"), `"v1""Pod"`},
		{at(t, web, "metadata", "uid"), `"given"`},
		{at(t, web, "metadata", "resourceVersion"), `"5"`},
		{at(t, web, "metadata", "generation"), `5`},
		{at(t, policy, "spec", "policyTypes"), `["Ingress","Egress"]`},
		{at(t, policy, "spec", "egress"), `[{"ports":[{"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}]`},
		{events[4].UID, "given"},
		{events[5].UID, string(syntheticUID(key{NetworkPolicies, "shop", "web"}))},
	} {
		if check.got != check.want {
			t.Errorf("got %s, want %s", check.got, check.want)
		}
	}
	pod, ok := events[4].Object.(*corev1.Pod)
	if !ok || pod.Spec.InitContainers[0].Ports[0].Protocol != corev1.ProtocolTCP || pod.Spec.Containers[0].Ports[1].Protocol != corev1.ProtocolUDP {
		t.Errorf("the Pod's object is %#v", events[4].Object)
	}
	if events[5].Object != nil {
		t.Errorf("the policy's object is %#v, want nil", events[5].Object)
	}
	for i, e := range events {
		if e.Generation != int64(i+1) {
			t.Errorf("%s has generation %d, want %d", e.Name, e.Generation, i+1)
		}
	}
}

func TestPolicyTypesDefault(t *testing.T) {
	for spec, want := range map[string]string{
		"podSelector: {}":                      `["Ingress"]`,
		"egress: []":                           `["Ingress"]`,
		"egress: [{}]":                         `["Ingress","Egress"]`,
		"policyTypes: [Egress]":                `["Egress"]`,
		"policyTypes: [Egress]\ningress: [{}]": `["Egress"]`,
		"policyTypes: []\negress: [{}]\npodSelector: {}": `["Ingress","Egress"]`,
	} {
		events, problems, err := LoadOnce([]string{write(t, map[string]string{"a.yaml": policy(spec)})})
		if err != nil || len(problems) > 0 {
			t.Fatal(spec, err, problems)
		}
		if got := at(t, fields(t, events[1]), "spec", "policyTypes"); got != want {
			t.Errorf("%s: got %s, want %s", spec, got, want)
		}
	}
}

// The same objects come out of every way to write them.
func TestForms(t *testing.T) {
	pod := func(name string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + name + `","namespace":"shop"}}`
	}
	want := "put namespaces shop\nput pods shop/a\nput pods shop/b"
	for name, text := range map[string]string{
		"yaml":            "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n---\n# nothing\n---\n" + pod("b") + "\n...\n",
		"windows":         utf8BOM + "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a, namespace: shop}\r\n---\r\n" + pod("b") + "\r\n",
		"on separators":   "%YAML 1.1\n--- " + pod("a") + "\n--- # the other\n" + pod("b"),
		"json stream":     pod("a") + "\n" + pod("b"),
		"json and ---":    pod("a") + "\n---\n" + pod("b"),
		"list":            "apiVersion: v1\nkind: List\nitems: [" + pod("b") + "," + pod("a") + "]",
		"list of a list":  `{"apiVersion":"v1","kind":"List","items":[` + pod("b") + `,{"apiVersion":"v1","kind":"List","items":[` + pod("a") + `]}]}`,
		"typed list":      `{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a","namespace":"shop"}},` + pod("b") + `]}`,
		"anchor":          "apiVersion: v1\nkind: List\nitems:\n- &a {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}}\n- {<<: *a, metadata: {name: b, namespace: shop}}\n",
		"nothing between": "---\n---\n" + pod("a") + "\n---\n---\n" + pod("b") + "\n---",
	} {
		t.Run(name, func(t *testing.T) {
			events, problems, err := LoadOnce([]string{write(t, map[string]string{"a.yaml": text})})
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			if got := names(events); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestExtraResources(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: first, resourceVersion: "3"}
spec: {tier: Admin, priority: 10}
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: w, namespace: shop}
---
apiVersion: example.org/v1
kind: Widget
spec: {}
---
apiVersion: example.org/v1
kind: Gadget
metadata: {name: g}
`})
	events, problems, err := LoadOnce([]string{dir}, "clusternetworkpolicies.policy.networking.k8s.io", "widgets.example.org")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(events), "put namespaces shop\nput clusternetworkpolicies.policy.networking.k8s.io first\nput widgets.example.org shop/w"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := string(events[1].JSON), `{"apiVersion":"policy.networking.k8s.io/v1alpha2","kind":"ClusterNetworkPolicy","metadata":{"generation":2,"name":"first","resourceVersion":"2","uid":"`+events[1].UID+`"},"spec":{"priority":10,"tier":"Admin"}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want := `a.yaml, document 3: Widget: metadata.name: is missing: give the object a name
a.yaml, document 4: Gadget g: kind: unknown kind (apiVersion example.org/v1): Sluice itself reads Pod, Namespace, Node, Service, EndpointSlice and NetworkPolicy, and no module watches gadgets.example.org: remove the document, or load the module that it is for`
	if got := told(dir, problems); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSameObjectInTwoFiles(t *testing.T) {
	dir := write(t, map[string]string{"b.yaml": policy("podSelector: {matchLabels: {from: b}}"), "a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" + policy("podSelector: {matchLabels: {from: a}}")})
	for _, paths := range [][]string{{dir}, {filepath.Join(dir, "b.yaml"), filepath.Join(dir, "a.yaml")}, {dir, filepath.Join(dir, "b.yaml")}} {
		events, problems, err := LoadOnce(paths)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := at(t, fields(t, events[1]), "spec", "podSelector"), `{"matchLabels":{"from":"a"}}`; got != want {
			t.Errorf("%v: got %s, want %s", paths, got, want)
		}
		if got, want := told(dir, problems), "b.yaml, document 1: NetworkPolicy shop/web: metadata.name: the same object is in a.yaml, document 2, which is read first and wins: delete one of the two"; got != want {
			t.Errorf("%v: got\n%s\nwant\n%s", paths, got, want)
		}
	}
}
