package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// stream follows one resource: a reflector that lists by streaming (WatchList)
// where the server can, and writes to the ledger.
type stream struct {
	source   *Kubernetes
	resource string
	// whole is for a resource that somebody has asked for: its objects are
	// delivered as they are in the API. Otherwise only what the host reads is.
	whole  bool
	cancel context.CancelFunc
}

var _ cache.TransformingStore = (*stream)(nil)

func newStream(k *Kubernetes, resource string, whole bool) *stream {
	return &stream{source: k, resource: resource, whole: whole}
}

// begin starts the stream; it ends with ctx or by end.
func (s *stream) begin(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.source.running.Go(func() { s.run(ctx) })
}

// end makes the stream end; what it says from now on is not heard.
func (s *stream) end() { s.cancel() }

// How often a resource that is not served, or an API server that does not say
// what it serves, is asked again: a second at first, then more and more seldom,
// each agent at another moment.
const (
	resolveAgainMin = time.Second
	resolveAgainMax = time.Minute
)

func (s *stream) run(ctx context.Context) {
	again := wait.Backoff{Duration: resolveAgainMin, Cap: resolveAgainMax, Factor: 2, Jitter: 0.5, Steps: 7}
	for ctx.Err() == nil {
		client, err := s.source.api.open(ctx, s.resource, s.whole)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			began := time.Now()
			s.follow(ctx, client)
			if time.Since(began) > resolveAgainMax {
				again.Duration, again.Steps = resolveAgainMin, 7
			}
		default:
			s.failed(err)
			if errors.Is(err, errNotServed) {
				s.source.ledger.replace(s, nil, "")
			}
		}
		select {
		case <-time.After(again.Step()):
		case <-ctx.Done():
		}
	}
}

// follow returns when the resource is no longer served, or ctx ends.
func (s *stream) follow(ctx context.Context, client *client) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := func(err error) error {
		switch {
		case ctx.Err() != nil:
		case err == nil:
			s.source.ledger.report(s, nil, nil)
		case apierrors.IsNotFound(err):
			cancel() // found out by open, which asks what is served
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err), apierrors.IsInvalid(err):
			// The reflector's own business: it lists again, or in another way.
		default:
			s.failed(err)
		}
		return err
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := client.list(ctx, o)
			return list, heard(err)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := client.watch(ctx, o)
			return w, heard(err)
		},
	}
	logger := klog.FromContext(ctx)
	cache.NewReflectorWithOptions(source, client.example, s, cache.ReflectorOptions{
		Logger: &logger, Name: s.resource, TypeDescription: s.resource,
	}).RunWithContext(ctx)
}

// failed tells what keeps the stream from its objects.
func (s *stream) failed(err error) {
	p := Problem{File: s.source.api.server, Object: s.resource, Reason: err.Error()}
	var refused error
	switch {
	case errors.Is(err, errNotServed):
		p.NotServed = true
	case apierrors.IsForbidden(err):
		p.Reason += ": give the agent's ServiceAccount get, list and watch on " + s.resource
		refused = err
	case apierrors.IsUnauthorized(err):
		p.Reason += ": the agent's token or certificate is not accepted; renew it"
	default:
		p.Reason += "; what was read before stays in force"
	}
	p.tidy()
	s.source.ledger.report(s, &p, refused)
}

// Add implements cache.ReflectorStore.
func (s *stream) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *stream) Update(object any) error {
	i, err := s.read(object)
	if err == nil {
		s.source.ledger.put(s, i)
	}
	return err
}

// Delete implements cache.ReflectorStore.
func (s *stream) Delete(object any) error {
	o, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T in the stream of %s is no object", object, s.resource)
	}
	s.source.ledger.delete(s, key{s.resource, o.GetNamespace(), o.GetName()}, string(o.GetUID()), versionOf(o.GetResourceVersion()))
	return nil
}

// Replace implements cache.ReflectorStore: the list is complete.
func (s *stream) Replace(list []any, version string) error {
	items := make([]item, len(list))
	for i, object := range list {
		var err error
		if items[i], err = s.read(object); err != nil {
			return err
		}
	}
	s.source.ledger.replace(s, items, version)
	return nil
}

// Resync implements cache.ReflectorStore.
func (*stream) Resync() error { return nil }

// UpdateResourceVersion implements cache.ResourceVersionUpdater.
func (s *stream) UpdateResourceVersion(version string) { s.source.ledger.reached(s, version) }

// Transformer implements cache.TransformingStore: a list that arrives as a stream
// is held in the form in which it is handed on.
func (s *stream) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.read(object) }
}

// read makes an item of an object of the API.
func (s *stream) read(object any) (item, error) {
	switch object := object.(type) {
	case item:
		return object, nil
	case *unstructured.Unstructured:
		return s.readWhole(object)
	case metav1.Object:
		return s.readSlim(object), nil
	}
	return item{}, fmt.Errorf("%T in the stream of %s is no object", object, s.resource)
}

func (s *stream) readSlim(object metav1.Object) item {
	i := s.itemOf(object)
	small, version := slim(object), object.GetResourceVersion()
	small.SetResourceVersion("") // every write changes it
	i.print = fingerprintOf(contentOf(small))
	small.SetResourceVersion(version)
	i.event.Object = small
	if i.keepLocal(s.source.options.NodeName); i.local == nil {
		i.pack()
	}
	return i
}

func (s *stream) readWhole(object *unstructured.Unstructured) (item, error) {
	i := s.itemOf(object)
	withoutNotes(object)
	i.event.JSON = encode(object.Object)
	i.print = fingerprintOf(i.event.JSON)
	if typed := emptyOf(s.resource); typed != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
			return item{}, fmt.Errorf("read %s %s/%s: %w", s.resource, object.GetNamespace(), object.GetName(), err)
		}
		i.event.Object = slim(typed)
		i.keepLocal(s.source.options.NodeName)
	}
	return i, nil
}

func (s *stream) itemOf(o metav1.Object) item {
	return item{
		version: versionOf(o.GetResourceVersion()),
		event: Event{
			Op: Put, Resource: s.resource, Namespace: shared(o.GetNamespace()), Name: o.GetName(), UID: string(o.GetUID()), Generation: o.GetGeneration(),
		},
	}
}

// contentOf is the same for the same content.
func contentOf(object metav1.Object) []byte {
	if pod, is := object.(*corev1.Pod); is {
		if text, err := pod.Marshal(); err == nil { // in a tenth of the time
			return text
		}
	}
	return encode(object)
}

// pack packs a Pod.
func (i *item) pack() {
	if pod, is := i.event.Object.(*corev1.Pod); is {
		if small, err := pack(pod); err == nil { // otherwise it stays as it is
			i.event.Object = small
		}
	}
}

// keepLocal keeps a Pod of this node as an object.
func (i *item) keepLocal(node string) {
	if pod, ok := i.event.Object.(*corev1.Pod); ok && node != "" && pod.Spec.NodeName == node {
		i.local = pod
	}
}
