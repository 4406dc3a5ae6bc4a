package cluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is what Sluice knows of one kind of object that it decodes strictly.
type kind struct {
	apiVersion string
	resource   string
	namespaced bool
	empty      func() metav1.Object
}

// knownKind looks a kind up by its name alone, so that a wrong apiVersion can
// be named as what it is.
func knownKind(name string) (kind, bool) {
	switch name {
	case "Pod":
		return kind{"v1", Pods, true, func() metav1.Object { return &corev1.Pod{} }}, true
	case "Namespace":
		return kind{"v1", Namespaces, false, func() metav1.Object { return &corev1.Namespace{} }}, true
	case "Node":
		return kind{"v1", Nodes, false, func() metav1.Object { return &corev1.Node{} }}, true
	case "Service":
		return kind{"v1", Services, true, func() metav1.Object { return &corev1.Service{} }}, true
	case "EndpointSlice":
		return kind{"discovery.k8s.io/v1", EndpointSlices, true, func() metav1.Object { return &discoveryv1.EndpointSlice{} }}, true
	case "NetworkPolicy":
		return kind{"networking.k8s.io/v1", NetworkPolicies, true, func() metav1.Object { return &networkingv1.NetworkPolicy{} }}, true
	default:
		return kind{}, false
	}
}

// listOf is the kind of the items of a list; empty if each item says its own.
func listOf(apiVersion, kindName string) (item string, isList bool) {
	if apiVersion == "v1" && kindName == "List" {
		return "", true
	}
	item, isList = strings.CutSuffix(kindName, "List")
	if !isList {
		return "", false
	}
	known, ok := knownKind(item)
	return item, ok && known.apiVersion == apiVersion
}

// guessResource is the resource of a kind that Sluice does not know, by the
// rule that nearly all kinds follow.
func guessResource(apiVersion, kindName string) (string, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return "", err
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(kindName))
	return plural.GroupResource().String(), nil
}
