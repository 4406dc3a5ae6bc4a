package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// KubernetesOptions of Kubernetes. Config is needed.
type KubernetesOptions struct {
	// Config says how to reach the API server, and as whom.
	Config *rest.Config
	// NodeName is this node's: its Pods are kept as objects, of all others only
	// what tells one version from the next.
	NodeName string
	// Services makes Services and EndpointSlices be followed as well.
	Services bool
	// First are resources that are delivered whole, as if somebody watched them, and
	// that belong to the first complete list.
	First []string
	// Keep is a file that keeps what was delivered, for a start without the API
	// server; empty: nothing is kept.
	Keep string
	// Logger is nil or where to write.
	Logger *slog.Logger
}

// Kubernetes is a Source that follows a Kubernetes API server: Pods, Namespaces
// and Nodes always, with what Sluice reads of them only; and what is asked for
// with Watch, whole.
type Kubernetes struct {
	options KubernetesOptions
	log     *slog.Logger
	api     *api
	ledger  *ledger
	unkeep  chan chan error // asks Run to remove what is kept

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before and after
	running sync.WaitGroup
	streams map[string]*stream             // by resource
	claims  map[string]map[string]struct{} // resources by who asked for them
}

var _ Source = (*Kubernetes)(nil)

// own are the resources that the host itself reads.
func (k *Kubernetes) own() []string {
	if k.options.Services {
		return []string{Namespaces, Nodes, Pods, Services, EndpointSlices}
	}
	return []string{Namespaces, Nodes, Pods}
}

// NewKubernetes makes a source. It asks nothing before Run.
func NewKubernetes(options KubernetesOptions) (*Kubernetes, error) {
	if options.Config == nil {
		return nil, errors.New("a Kubernetes source needs to know how to reach the API server")
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	api, err := newAPI(options.Config)
	if err != nil {
		return nil, err
	}
	k := &Kubernetes{
		options: options, log: options.Logger, api: api, ledger: newLedger(), unkeep: make(chan chan error),
		streams: map[string]*stream{}, claims: map[string]map[string]struct{}{"": {}},
	}
	for _, resource := range options.First {
		k.claims[""][resource] = struct{}{}
	}
	return k, nil
}

// Run implements Source. It may be called once. It does not fail because the
// API server is away: that is a problem, and it is tried again.
func (k *Kubernetes) Run(ctx context.Context, sink Sink) error {
	archive := k.openArchive()
	defer archive.close()
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(quieter{k.log.Handler()}))
	k.mu.Lock()
	k.ctx = ctx
	for _, resource := range k.own() {
		k.ensure(resource)
	}
	for _, resources := range k.claims {
		for resource := range resources {
			k.ensure(resource)
		}
	}
	k.mu.Unlock()
	k.tell(ctx, sink, archive)
	k.mu.Lock()
	k.ctx = nil // no stream starts any more
	k.mu.Unlock()
	k.running.Wait()
	return nil
}

// tell hands what the streams hear to the sink until ctx ends.
func (k *Kubernetes) tell(ctx context.Context, sink Sink, archive *archive) {
	synced := false
	patience := time.After(offlineAfter)
	var problems []Problem
	var revision string
	for {
		batch := k.ledger.take(append(k.own(), k.options.First...))
		if len(batch.events) > 0 {
			sink.Apply(batch.events)
		}
		k.ledger.told(batch)
		archive.add(batch, time.Now())
		if !slices.Equal(batch.problems, problems) {
			for _, p := range batch.problems {
				if !slices.Contains(problems, p) {
					k.log.Warn("objects can not be read", "problem", p.String())
				}
			}
			problems = batch.problems
			sink.Problems(slices.Clone(problems))
		}
		if batch.revision != revision {
			revision = batch.revision
			sink.Revision(revision)
		}
		if batch.complete && !synced {
			synced = true
			sink.Synced()
		}
		select {
		case <-k.ledger.wake:
		case done := <-k.unkeep:
			done <- archive.remove()
			archive = nil
		case <-patience:
			k.goOffline(archive)
		case <-ctx.Done():
			return
		}
	}
}

// StopKeeping removes what is kept on disk, and nothing is kept from then on. It waits
// for Run.
func (k *Kubernetes) StopKeeping(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case k.unkeep <- done:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Watch implements Source. A resource that the API server does not serve has no
// objects: that is a problem to show, and no error; its objects are delivered
// when it is served.
func (k *Kubernetes) Watch(ctx context.Context, owner string, resources []string) error {
	k.mu.Lock()
	if k.claims[owner] == nil {
		k.claims[owner] = map[string]struct{}{}
	}
	for _, resource := range resources {
		k.claims[owner][resource] = struct{}{}
		k.ensure(resource)
	}
	k.mu.Unlock()
	for _, resource := range resources {
		if err := k.ledger.waitTold(ctx, resource); err != nil {
			return fmt.Errorf("read %s from the API server: %w", resource, err)
		}
	}
	return nil
}

// Unwatch implements Source.
func (k *Kubernetes) Unwatch(owner string, except []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	released := maps.Clone(k.claims[owner])
	for _, resource := range except {
		delete(released, resource)
	}
	for resource := range released {
		delete(k.claims[owner], resource)
	}
	if len(k.claims[owner]) == 0 {
		delete(k.claims, owner)
	}
	for resource := range released {
		if s := k.streams[resource]; s != nil && !k.wanted(resource) {
			if slices.Contains(k.own(), resource) {
				k.ensure(resource)
				continue
			}
			s.end()
			delete(k.streams, resource)
			k.ledger.forget(resource)
		}
	}
}

// wanted says whether anybody has asked for a resource. The caller holds mu.
func (k *Kubernetes) wanted(resource string) bool {
	for claims := range maps.Values(k.claims) {
		if _, ok := claims[resource]; ok {
			return true
		}
	}
	return false
}

// ensure makes a resource be followed, whole if somebody has asked for it, while
// Run does. The caller holds mu.
func (k *Kubernetes) ensure(resource string) {
	if k.ctx == nil {
		return
	}
	whole := k.wanted(resource)
	old := k.streams[resource]
	if old != nil && old.whole == whole {
		return
	}
	if old != nil {
		old.end()
	}
	s := newStream(k, resource, whole)
	k.streams[resource] = s
	k.ledger.expect(resource, s)
	s.begin(k.ctx)
}

// Versions are the resource versions up to which the objects of each resource
// were handed to the sink.
func (k *Kubernetes) Versions() map[string]string { return k.ledger.versionsTold() }

// Count is how many objects of a resource are known.
func (k *Kubernetes) Count(resource string) int { return k.ledger.count(resource) }

// requestTime bounds one question to the API server.
const requestTime = 10 * time.Second
