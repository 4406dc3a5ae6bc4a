package report

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// lease decides which agent speaks for all. Two may do so for a moment, which is
// harmless: they say the same. So it can be slow, and cost the API server little: in a
// cluster of 5000 nodes each agent looks every 250 s.
type lease struct {
	client    dynamic.Interface
	namespace string
	holder    string
	nodes     func() int

	held    bool
	seen    string // resourceVersion of the lease that was seen last
	seenAt  time.Time
	nextTry time.Time
}

const (
	leaseName   = "sluice-speaker"
	renewEvery  = 15 * time.Second
	looksPerSec = 20 // of all agents together
)

// period is how often an agent that does not hold the lease looks.
func (l *lease) period() time.Duration {
	return max(renewEvery, time.Duration(l.nodes())*time.Second/looksPerSec)
}

// hold takes, renews or looks at the lease when it is time to, and says whether this
// agent has it.
func (l *lease) hold(ctx context.Context, now time.Time) (bool, error) {
	if now.Before(l.nextTry) {
		return l.held, nil
	}
	l.nextTry = now.Add(l.period() + time.Duration(rand.Int64N(int64(renewEvery)/4)))
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	leases := l.client.Resource(schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}).Namespace(l.namespace)
	object, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		object = &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": leaseName, "namespace": l.namespace},
		}}
		l.write(object, now)
		_, err = leases.Create(ctx, object, metav1.CreateOptions{FieldManager: manager})
	case err == nil:
		if version := object.GetResourceVersion(); version != l.seen {
			l.seen, l.seenAt = version, now // by our own clock, whatever the holder's says
		}
		holder, _, _ := unstructured.NestedString(object.Object, "spec", "holderIdentity") // the API has checked what it is
		if holder != "" && holder != l.holder && now.Sub(l.seenAt) < 3*l.period() {
			l.held = false
			return false, nil
		}
		l.write(object, now)
		_, err = leases.Update(ctx, object, metav1.UpdateOptions{FieldManager: manager})
	}
	if l.held = err == nil; l.held {
		l.nextTry = now.Add(renewEvery)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		err = nil // another was quicker
	}
	return l.held, err
}

func (l *lease) write(object *unstructured.Unstructured, now time.Time) {
	object.Object["spec"] = map[string]any{
		"holderIdentity": l.holder, "renewTime": now.UTC().Format(metav1.RFC3339Micro),
		"leaseDurationSeconds": int64(3 * l.period() / time.Second),
	}
}
