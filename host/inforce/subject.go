package inforce

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Policy names what is waited for.
type Policy struct {
	// Kind is networkpolicy or clusternetworkpolicy.
	Kind      string
	Namespace string // of a networkpolicy
	Name      string
}

// String is "networkpolicy shop/web".
func (p Policy) String() string {
	return p.Kind + " " + strings.TrimPrefix(p.Namespace+"/"+p.Name, "/")
}

// ParsePolicy reads "networkpolicy/NAME", "netpol/NAME", "clusternetworkpolicy/NAME" or
// "cnp/NAME", as kubectl takes them.
func ParsePolicy(text, namespace string) (Policy, error) {
	kind, name, ok := strings.Cut(text, "/")
	if !ok || name == "" || strings.Contains(name, "/") {
		return Policy{}, fmt.Errorf("%q names no policy: write networkpolicy/NAME or clusternetworkpolicy/NAME", text)
	}
	switch strings.ToLower(kind) {
	case "networkpolicy", "networkpolicies", "netpol", "networkpolicies.networking.k8s.io":
		return Policy{"networkpolicy", namespace, name}, nil
	case "clusternetworkpolicy", "clusternetworkpolicies", "cnp", "clusternetworkpolicies.policy.networking.k8s.io":
		return Policy{Kind: "clusternetworkpolicy", Name: name}, nil
	}
	return Policy{}, fmt.Errorf("kind %q: write networkpolicy or clusternetworkpolicy", kind)
}

func (p Policy) resource() schema.GroupVersionResource {
	if p.Kind == "networkpolicy" {
		return schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}
	}
	return schema.GroupVersionResource{Group: "policy.networking.k8s.io", Version: "v1alpha2", Resource: "clusternetworkpolicies"}
}

// get reads the policy.
func (p Policy) get(ctx context.Context, client dynamic.Interface) (*unstructured.Unstructured, error) {
	r := dynamic.ResourceInterface(client.Resource(p.resource()))
	if p.Namespace != "" {
		r = client.Resource(p.resource()).Namespace(p.Namespace)
	}
	return r.Get(ctx, p.Name, metav1.GetOptions{})
}

// subject is which Pods a policy is about.
type subject struct {
	namespaces labels.Selector // nil: the policy's own
	pods       labels.Selector
}

func subjectOf(p Policy, object *unstructured.Unstructured) (subject, error) {
	at := func(fields ...string) (labels.Selector, bool, error) {
		value, there, err := unstructured.NestedMap(object.Object, fields...)
		if err != nil || !there {
			return nil, false, err
		}
		var s metav1.LabelSelector
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(value, &s); err != nil {
			return nil, false, err
		}
		selector, err := metav1.LabelSelectorAsSelector(&s)
		return selector, true, err
	}
	if p.Kind == "networkpolicy" {
		pods, there, err := at("spec", "podSelector")
		if !there {
			pods = labels.Everything()
		}
		return subject{pods: pods}, err
	}
	if namespaces, there, err := at("spec", "subject", "namespaces"); there || err != nil {
		return subject{namespaces, labels.Everything()}, err
	}
	namespaces, _, err := at("spec", "subject", "pods", "namespaceSelector")
	if err != nil {
		return subject{}, err
	}
	pods, _, err := at("spec", "subject", "pods", "podSelector")
	if namespaces == nil || pods == nil {
		return subject{}, fmt.Errorf("spec.subject of %v selects nothing that is known: %w", p, err)
	}
	return subject{namespaces, pods}, err
}

// nodes are those with a Pod that the policy is about, and how many each has.
func (s subject) nodes(ctx context.Context, client dynamic.Interface, p Policy) (map[string]int, error) {
	var within map[string]bool // nil: all that is listed
	if s.namespaces != nil {
		list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).List(ctx, metav1.ListOptions{LabelSelector: s.namespaces.String()})
		if err != nil {
			return nil, fmt.Errorf("list the Namespaces that %v is about: %w", p, err)
		}
		within = map[string]bool{}
		for i := range list.Items {
			within[list.Items[i].GetName()] = true
		}
	}
	found := map[string]int{}
	o := metav1.ListOptions{LabelSelector: s.pods.String(), FieldSelector: "status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!=", Limit: 500}
	for {
		list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(p.Namespace).List(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("list the Pods that %v is about: %w", p, err)
		}
		for i := range list.Items {
			pod := &list.Items[i]
			node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName") // the API has checked what it is
			host, _, _ := unstructured.NestedBool(pod.Object, "spec", "hostNetwork")
			if !host && (within == nil || within[pod.GetNamespace()]) {
				found[node]++
			}
		}
		if o.Continue = list.GetContinue(); o.Continue == "" {
			return found, nil
		}
	}
}

func sorted(nodes map[string]int) []string { return slices.Sorted(maps.Keys(nodes)) }
