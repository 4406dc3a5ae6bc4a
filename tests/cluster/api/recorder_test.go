package api

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/host/cluster"
)

// recorder is a sink that keeps the state that its source leads to, and checks
// what a source promises on the way.
type recorder struct {
	t testing.TB

	mu       sync.Mutex
	objects  map[string]cluster.Event // by "resource namespace/name"
	deleted  []string
	synced   bool
	problems []cluster.Problem
	revision string
	changed  chan struct{}
}

func newRecorder(t testing.TB) *recorder {
	return &recorder{t: t, objects: map[string]cluster.Event{}, changed: make(chan struct{}, 1)}
}

func nameOf(e cluster.Event) string {
	return e.Resource + " " + strings.TrimPrefix(e.Namespace+"/"+e.Name, "/")
}

func (r *recorder) Apply(events []cluster.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.fire()
	var puts bool
	for _, e := range events {
		if e.Op == cluster.Delete {
			if puts {
				r.t.Errorf("%s is deleted after a put in one batch", nameOf(e))
			}
			if _, there := r.objects[nameOf(e)]; !there {
				r.t.Errorf("%s is deleted and was not there", nameOf(e))
			}
			delete(r.objects, nameOf(e))
			r.deleted = append(r.deleted, nameOf(e))
			continue
		}
		puts = true
		if ns := e.Namespace; e.Resource == cluster.Pods {
			if _, there := r.objects[cluster.Namespaces+" "+ns]; !there && !r.synced {
				r.t.Errorf("%s comes before its Namespace", nameOf(e))
			}
		}
		r.objects[nameOf(e)] = e
	}
}

func (r *recorder) Synced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.fire()
	if r.synced {
		r.t.Error("synced twice")
	}
	r.synced = true
}

func (r *recorder) Problems(problems []cluster.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.fire()
	r.problems = problems
}

func (r *recorder) Revision(revision string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.fire()
	r.revision = revision
}

func (r *recorder) fire() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// patience bounds every wait for something that is about to come true.
const patience = time.Minute

// await waits until done says so; it runs whenever something has changed.
func (r *recorder) await(what string, done func() bool) {
	r.t.Helper()
	limit := time.After(patience)
	for {
		r.mu.Lock()
		ok := done()
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-limit:
			r.mu.Lock()
			defer r.mu.Unlock()
			var have []string
			for name := range r.objects {
				have = append(have, name)
			}
			r.t.Fatalf("in vain: %s; synced %v, problems %v, objects %v", what, r.synced, r.problems, have)
		}
	}
}

func (r *recorder) awaitObject(name string) cluster.Event {
	r.t.Helper()
	r.await(name, func() bool { _, there := r.objects[name]; return there })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.objects[name]
}

func (r *recorder) awaitGone(name string) {
	r.t.Helper()
	r.await(name+" gone", func() bool { _, there := r.objects[name]; return !there })
}

func (r *recorder) awaitProblem(text string) {
	r.t.Helper()
	r.await("a problem with "+text, func() bool {
		for _, p := range r.problems {
			if strings.Contains(p.String(), text) {
				return true
			}
		}
		return text == "" && len(r.problems) == 0
	})
}

// writer changes objects as an administrator.
type writer struct {
	t      testing.TB
	client dynamic.Interface
}

func connect(t testing.TB, kubeconfig string) *rest.Config {
	t.Helper()
	config, err := cluster.Connect(cluster.ConnectOptions{Kubeconfig: kubeconfig, UserAgent: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func newWriter(t testing.TB, kubeconfig string) writer {
	t.Helper()
	config := connect(t, kubeconfig)
	config.QPS, config.Burst = 1000, 1000
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return writer{t, client}
}

// resources of the kinds that these tests write.
func (w writer) of(o *unstructured.Unstructured) dynamic.ResourceInterface {
	gvk := o.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if strings.HasSuffix(plural, "ys") {
		plural = strings.TrimSuffix(plural, "ys") + "ies"
	}
	r := w.client.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural})
	if o.GetNamespace() == "" {
		return r
	}
	return r.Namespace(o.GetNamespace())
}

func objectOf(t testing.TB, manifest string, args ...any) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(fmt.Appendf(nil, manifest, args...), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

// apply writes an object, and its status if it has one.
func (w writer) apply(manifest string, args ...any) *unstructured.Unstructured {
	w.t.Helper()
	o := objectOf(w.t, manifest, args...)
	options := metav1.ApplyOptions{FieldManager: "test", Force: true}
	written, err := w.of(o).Apply(w.t.Context(), o.GetName(), o, options)
	for limit := time.Now().Add(patience); apierrors.IsNotFound(err) && time.Now().Before(limit); { // its definition was made a moment ago
		time.Sleep(50 * time.Millisecond)
		written, err = w.of(o).Apply(w.t.Context(), o.GetName(), o, options)
	}
	if _, has := o.Object["status"]; err == nil && has {
		written, err = w.of(o).ApplyStatus(w.t.Context(), o.GetName(), o, options)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return written
}

// get reads an object.
func (w writer) get(group, version, resource, namespace, name string) *unstructured.Unstructured {
	w.t.Helper()
	r := dynamic.ResourceInterface(w.client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}))
	if namespace != "" {
		r = w.client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resource}).Namespace(namespace)
	}
	o, err := r.Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w writer) delete(manifest string, args ...any) {
	w.t.Helper()
	o, now := objectOf(w.t, manifest, args...), int64(0)
	if err := w.of(o).Delete(w.t.Context(), o.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		w.t.Fatal(err)
	}
}

func (w writer) patch(patch, manifest string, args ...any) {
	w.t.Helper()
	o := objectOf(w.t, manifest, args...)
	if _, err := w.of(o).Patch(w.t.Context(), o.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// follow runs a source until the test ends, or stop is called.
func follow(t testing.TB, o cluster.KubernetesOptions) (k *cluster.Kubernetes, r *recorder, stop func()) {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(testLog{t}, nil))
	k, err := cluster.NewKubernetes(o)
	if err != nil {
		t.Fatal(err)
	}
	r = newRecorder(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx, r) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return k, r, stop
}

// testLog writes a logger's lines to the test's output.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	_, err := fmt.Fprintf(l.t.Output(), "%s\n", bytes.TrimRight(b, "\n"))
	return len(b), err
}

func podIn(e cluster.Event) *corev1.Pod {
	pod, _ := e.Pod()
	return pod
}

// number of a resource version; 0 for none.
func number(version string) uint64 {
	n, _ := strconv.ParseUint(version, 10, 64) // an empty one is none
	return n
}
