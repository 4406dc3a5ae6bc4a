package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// errNotServed says that the API server has no such resource.
var errNotServed = errors.New("the API server does not serve it")

// client lists and watches one resource.
type client struct {
	example any // what the reflector is to expect
	list    func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch   func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// open finds out how a resource is read. An error that is errNotServed is sure:
// the API server has answered, and there is neither the resource nor the
// CustomResourceDefinition that would make it.
func (a *api) open(ctx context.Context, resource string, whole bool) (*client, error) {
	if typed := emptyOf(resource); typed != nil && !whole {
		plural, group, _ := strings.Cut(resource, ".")
		c := cache.NewFilteredListWatchFromClient(a.typed[group], plural, metav1.NamespaceAll, func(*metav1.ListOptions) {})
		return &client{typed, c.ListWithContextFunc, c.WatchFuncWithContext}, nil
	}
	gvr, err := a.resolve(ctx, resource)
	if err != nil {
		return nil, err
	}
	r := a.dynamic.Resource(gvr)
	return &client{
		&unstructured.Unstructured{},
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return r.List(ctx, o) },
		r.Watch,
	}, nil
}

// resolve finds the version of the API in which a resource is read: the one that
// the server prefers.
func (a *api) resolve(ctx context.Context, resource string) (schema.GroupVersionResource, error) {
	plural, group, _ := strings.Cut(resource, ".")
	switch resource { // of these everything is known
	case Pods, Namespaces, Nodes, Services, EndpointSlices, NetworkPolicies:
		return schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}, nil
	}
	if group == "" { // the core group has one version
		return schema.GroupVersionResource{Version: "v1", Resource: plural}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	versions, err := a.versions(ctx, group)
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	for _, version := range versions {
		gv := schema.GroupVersion{Group: group, Version: version}
		var list metav1.APIResourceList
		err := a.read(ctx, &list, "/apis", group, version)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return schema.GroupVersionResource{}, err
		}
		for _, r := range list.APIResources {
			if r.Name == plural {
				return gv.WithResource(plural), nil
			}
		}
	}
	return schema.GroupVersionResource{}, a.notServed(ctx, resource)
}

// read asks what the API server serves under a path.
func (a *api) read(ctx context.Context, into any, path ...string) error {
	answer, err := a.typed[""].Get().AbsPath(path...).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// versions of a group, the preferred one first; none if the group is unknown.
func (a *api) versions(ctx context.Context, group string) ([]string, error) {
	var g metav1.APIGroup
	err := a.read(ctx, &g, "/apis", group)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	versions := []string{g.PreferredVersion.Version}
	for _, v := range g.Versions {
		if v.Version != g.PreferredVersion.Version {
			versions = append(versions, v.Version)
		}
	}
	return versions, nil
}

// crds are the definitions of custom resources, each named as its resource.
func crds() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// notServed makes sure that a resource is not served because it does not exist:
// a server that has just started, or that cannot read its definitions, does not
// serve some for a while, and their objects have not gone.
func (a *api) notServed(ctx context.Context, resource string) error {
	_, err := a.dynamic.Resource(crds()).Get(ctx, resource, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: create the CustomResourceDefinition %s, if it is wanted", errNotServed, resource)
	case err != nil:
		return fmt.Errorf("find out whether there is a CustomResourceDefinition %s: %w", resource, err)
	default:
		return fmt.Errorf("there is a CustomResourceDefinition %s, and the API server does not serve it: see its conditions", resource)
	}
}
