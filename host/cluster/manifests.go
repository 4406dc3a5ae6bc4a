package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options of Manifests.
type Options struct {
	// Paths are directories and files. Of a directory the files that end in
	// .yaml, .yml or .json are read, not those whose name begins with a dot,
	// and not those in directories below it. A file is read whatever its name.
	Paths []string
	// ExtraResources are resources besides Pods, Namespaces, Nodes and
	// NetworkPolicies that somebody watches ("widgets.example.org"). They are
	// passed on unchecked but for their syntax, and without a default
	// namespace, as nothing says whether they have one.
	ExtraResources []string
	// Quiet is how long the files must rest before a change is read; 0 means
	// DefaultQuiet.
	Quiet time.Duration
	// Rescan is how often everything is read without a notice from the kernel,
	// for file systems that give none; 0 means DefaultRescan.
	Rescan time.Duration
	// Logger is nil or where to write.
	Logger *slog.Logger
}

// The defaults of Options.
const (
	DefaultQuiet  = 50 * time.Millisecond
	DefaultRescan = 30 * time.Second
)

// settleLimit times the quiet time is how long files that change all the time
// are waited for.
const settleLimit = 40

// Manifests is a Source that reads manifests from files and follows their
// changes.
type Manifests struct {
	options Options
	log     *slog.Logger
	look    chan chan struct{} // asks Run to read now; closed when done
	synced  chan struct{}      // closed after the first complete list

	mu     sync.Mutex
	pods   map[key]*corev1.Pod        // as in force; replaced whole, never written to
	claims map[string]map[string]bool // resources by who asked for them
}

var _ Source = (*Manifests)(nil)

// NewManifests makes a source. It reads nothing before Run.
func NewManifests(options Options) (*Manifests, error) {
	if len(options.Paths) == 0 {
		return nil, errors.New("no manifests to read: name at least one directory or file")
	}
	if slices.Contains(options.Paths, "") {
		return nil, errors.New("one of the paths of manifests is empty: name a directory or a file")
	}
	if options.Quiet <= 0 {
		options.Quiet = DefaultQuiet
	}
	if options.Rescan <= 0 {
		options.Rescan = DefaultRescan
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Manifests{
		options: options,
		log:     options.Logger,
		look:    make(chan chan struct{}),
		synced:  make(chan struct{}),
		claims:  map[string]map[string]bool{"": setOf(options.ExtraResources)},
	}, nil
}

// Watch implements Source. The files are read again if something is new.
func (m *Manifests) Watch(ctx context.Context, owner string, resources []string) error {
	m.mu.Lock()
	before := m.extra()
	if m.claims[owner] == nil {
		m.claims[owner] = map[string]bool{}
	}
	isNew := false
	for _, resource := range resources {
		m.claims[owner][resource] = true
		isNew = isNew || !before[resource]
	}
	m.mu.Unlock()
	if !isNew {
		return m.waitSynced(ctx)
	}
	return m.lookNow(ctx)
}

// Unwatch implements Source. Objects that nobody asks for any more go with the
// next reading.
func (m *Manifests) Unwatch(owner string, except []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.claims[owner], func(resource string, _ bool) bool { return !slices.Contains(except, resource) })
	if len(m.claims[owner]) == 0 {
		delete(m.claims, owner)
	}
}

// extra is all that somebody has asked for. The caller holds mu.
func (m *Manifests) extra() map[string]bool {
	all := map[string]bool{}
	for _, resources := range m.claims {
		maps.Copy(all, resources)
	}
	return all
}

func (m *Manifests) waitSynced(ctx context.Context) error {
	select {
	case <-m.synced:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pod implements Source. A Pod that is not known yet is looked for in the files
// once more, since its manifest may have been written a moment ago.
func (m *Manifests) Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	if err := m.waitSynced(ctx); err != nil {
		return nil, fmt.Errorf("look up Pod %s/%s: the manifests under %s have not been read yet: %w", namespace, name, m.where(), err)
	}
	if pod := m.pod(namespace, name); pod != nil {
		return pod, nil
	}
	if err := m.lookNow(ctx); err != nil {
		return nil, fmt.Errorf("look up Pod %s/%s: read the manifests under %s again: %w", namespace, name, m.where(), err)
	}
	if pod := m.pod(namespace, name); pod != nil {
		return pod, nil
	}
	return nil, fmt.Errorf("no manifest under %s has a Pod %s/%s that can be used: write it there, or see the list of problems, and try again: %w",
		m.where(), namespace, name, apierrors.NewNotFound(schema.GroupResource{Resource: Pods}, name))
}

func (m *Manifests) pod(namespace, name string) *corev1.Pod {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pods[key{Pods, namespace, name}].DeepCopy()
}

func (m *Manifests) where() string { return strings.Join(m.options.Paths, ", ") }

// lookNow makes Run read the files and waits until it has.
func (m *Manifests) lookNow(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case m.look <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run implements Source. It may be called once. It fails at the start if one
// of the paths can not be read: an agent that was pointed to the wrong place
// must not come up as if there were no policy. Later on such a path is a
// problem, and what it held stays in force.
func (m *Manifests) Run(ctx context.Context, sink Sink) error {
	w, err := newWatcher(m.options.Paths)
	if err != nil {
		return fmt.Errorf("watch manifests under %s: %w", m.where(), err)
	}
	defer w.close()
	r := runner{Manifests: m, sink: sink, watcher: w}
	r.read()
	for _, root := range r.roots {
		if root.err != nil {
			return fmt.Errorf("read manifests: %w: create it or correct the path", root.err)
		}
	}
	r.apply()
	sink.Synced()
	close(m.synced)
	r.follow(ctx)
	return nil
}

// runner is the one goroutine that reads and tells.
type runner struct {
	*Manifests
	sink    Sink
	watcher *watcher
	roots   []root // as last read
	state   state
	told    []Problem
	// revision is the one last told.
	revision string
}

// watchRounds bounds how often new directories to watch are looked for.
const watchRounds = 4

// read reads all files, and again if there was something new to watch, as it
// may have changed in between.
func (r *runner) read() {
	for round := range watchRounds {
		added, err := r.watcher.refresh(r.roots)
		if err != nil {
			r.log.Warn("cannot watch all manifests: changes are seen later", "every", r.options.Rescan, "error", err)
		}
		if round > 0 && !added {
			return
		}
		r.roots = readRoots(r.options.Paths)
	}
}

// apply tells the sink what changed.
func (r *runner) apply() {
	r.mu.Lock()
	extra := r.extra()
	r.mu.Unlock()
	events := r.state.update(r.roots, extra)
	if len(events) > 0 {
		r.sink.Apply(events)
	}
	r.mu.Lock()
	r.pods = podsOf(r.state.objects)
	r.mu.Unlock()
	if !slices.Equal(r.state.problems, r.told) {
		r.told = r.state.problems
		for _, problem := range r.told {
			r.log.Warn("manifest not in force as written", "problem", problem.String())
		}
		r.sink.Problems(slices.Clone(r.told))
	}
	if revision := revisionOf(r.roots); revision != r.revision {
		r.revision = revision
		r.sink.Revision(revision)
	}
}

// follow reads and tells until ctx ends.
func (r *runner) follow(ctx context.Context) {
	rescan := time.NewTicker(r.options.Rescan)
	defer rescan.Stop()
	quiet := time.NewTimer(r.options.Quiet)
	quiet.Stop()
	defer quiet.Stop()
	var first time.Time // the oldest notice that was not acted upon, or zero
	for {
		var done chan struct{}
		select {
		case <-ctx.Done():
			return
		case notice := <-r.watcher.notices():
			if !r.watcher.concerns(notice) {
				continue
			}
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			quiet.Reset(max(0, min(r.options.Quiet, first.Add(settleLimit*r.options.Quiet).Sub(now))))
			continue
		case err := <-r.watcher.errors():
			// Most likely notices were lost: read everything.
			r.log.Warn("the kernel's notices about manifests broke off: reading all of them", "error", err)
		case <-quiet.C:
		case <-rescan.C:
		case done = <-r.look:
		}
		first = time.Time{}
		quiet.Stop()
		r.read()
		r.apply()
		if done != nil {
			close(done)
		}
	}
}

func podsOf(objects map[key]*object) map[key]*corev1.Pod {
	pods := map[key]*corev1.Pod{}
	for k, o := range objects {
		if pod, ok := o.event.Object.(*corev1.Pod); ok {
			pods[k] = pod
		}
	}
	return pods
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
