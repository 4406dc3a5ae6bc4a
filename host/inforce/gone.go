package inforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

// WaitGone looks until the policy is gone from the API and every agent has handled that:
// which nodes a policy was about can not be told any more. Otherwise it is as Wait.
//
// Which version the API server deleted it in can not be told either. It is no later than
// the one of the API server's cache in which the policy is missing.
func WaitGone(ctx context.Context, client dynamic.Interface, p Policy, tell func(Result)) (Result, error) {
	last := Result{Policy: p.String(), Nodes: []Node{}, Deleted: true}
	for {
		now, there, err := lookGone(ctx, client, p, last)
		switch {
		case err == nil:
			last = now
			if tell != nil {
				tell(now)
			}
			if !there && now.settled() {
				return now, nil
			}
		case ctx.Err() == nil:
			return last, err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			if last.ResourceVersion == "" {
				return last, errors.New(p.String() + " is still there: delete it, or wait for who does")
			}
			return last, nil
		}
	}
}

// lookGone asks once; a version that was found is kept.
func lookGone(ctx context.Context, client dynamic.Interface, p Policy, before Result) (now Result, there bool, err error) {
	if before.ResourceVersion == "" {
		r := dynamic.ResourceInterface(client.Resource(p.resource()))
		if p.Namespace != "" {
			r = client.Resource(p.resource()).Namespace(p.Namespace)
		}
		// Version 0 asks the API server's cache, whose version is that of the last change
		// of such a policy; etcd's would be one that no agent hears of soon.
		list, err := r.List(ctx, metav1.ListOptions{ResourceVersion: "0", FieldSelector: "metadata.name=" + p.Name})
		if err != nil {
			return before, false, fmt.Errorf("look for %v: %w", p, err)
		}
		if len(list.Items) > 0 {
			return before, true, nil
		}
		before.ResourceVersion = list.GetResourceVersion()
	}
	before.Nodes = []Node{}
	statuses, err := client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return before, false, fmt.Errorf("list what the nodes say: %w", err)
	}
	for i := range statuses.Items {
		s := &v1alpha1.NodePolicyStatus{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(statuses.Items[i].Object, s); err != nil {
			return before, false, err
		}
		n := Node{Name: s.Name, Pods: int(s.Status.Pods.Attached)}
		n.State, n.Reason = judge(p, &s.Status, before.ResourceVersion)
		before.Nodes = append(before.Nodes, n)
	}
	return before, false, nil
}
