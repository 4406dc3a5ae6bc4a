package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Pod implements Source. A Pod that the watch has not delivered as one of this
// node is asked for, handed to the sink, and returned once that has it: a
// container runtime may be quicker than a watch.
func (k *Kubernetes) Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	if err := k.ledger.waitOpened(ctx); err != nil {
		return nil, fmt.Errorf("look up Pod %s/%s: the Pods have not been read yet: %w", namespace, name, err)
	}
	if pod, heard := k.ledger.localPod(namespace, name); pod != nil {
		return pod, k.ledger.waitHanded(ctx, heard)
	}
	asking, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	pod := &corev1.Pod{}
	err := k.api.typed[""].Get().Resource(Pods).Namespace(namespace).Name(name).Do(asking).Into(pod)
	switch {
	case apierrors.IsNotFound(err):
		return nil, noSuchPod(namespace, name)
	case err != nil:
		return nil, fmt.Errorf("look up Pod %s/%s: %w", namespace, name, err)
	}
	i := (&stream{source: k, resource: Pods}).readSlim(pod)
	heard, gone := k.ledger.fetched(Pods, i)
	if gone {
		return nil, noSuchPod(namespace, name)
	}
	if err := k.ledger.waitHanded(ctx, heard); err != nil {
		return nil, fmt.Errorf("look up Pod %s/%s: %w", namespace, name, err)
	}
	found, _ := i.event.Pod() // that is what it is
	return found.DeepCopy(), nil
}

// ConfigMap asks for a ConfigMap.
func (k *Kubernetes) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	object := &corev1.ConfigMap{}
	if err := k.api.typed[""].Get().Resource("configmaps").Namespace(namespace).Name(name).Do(ctx).Into(object); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", namespace, name, err)
	}
	return object, nil
}

func noSuchPod(namespace, name string) error {
	return fmt.Errorf("the API server has no Pod %s/%s; try again if it was made a moment ago: %w",
		namespace, name, apierrors.NewNotFound(schema.GroupResource{Resource: Pods}, name))
}

// localPod is a Pod of this node that is known, and the change that brought it.
func (l *ledger) localPod(namespace, name string) (*corev1.Pod, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.parts[Pods]
	if p == nil {
		return nil, 0
	}
	r := p.known[key{Pods, namespace, name}]
	return r.local.DeepCopy(), r.heard
}
