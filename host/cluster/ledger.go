package cluster

import (
	"crypto/sha256"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ledger is what the API server was last heard to hold, and what of it the sink
// has not been told. Streams write to it, each its own resource; the goroutine
// of Kubernetes.Run takes from it.
type ledger struct {
	wake chan struct{} // has an element when there may be something to take

	mu      sync.Mutex
	parts   map[string]*part // by resource
	pending map[key]change   // several changes of one object are one, the latest
	order   []key            // of pending
	changed chan struct{}    // closed, and made anew, when something was told or refused
	heard   uint64           // numbers the changes
	handed  uint64           // of the last that the sink was told
	started bool             // the first complete list was taken
	opened  bool             // and told

	archived     map[string][]archiveEntry // what the disk holds of resources that nobody has asked for yet
	offline      bool                      // what came from the disk counts as listed until the API server answers
	offlineSince time.Time
	damage       *Problem        // of what is on disk
	gone         map[string]bool // resources that were forgotten since the last batch
}

// part is one resource.
type part struct {
	stream   *stream // who may write to it
	known    map[key]record
	version  string // up to which known is
	listed   bool   // known was complete once
	archived bool   // known began as all that the disk holds
	// complete means that known holds everything as the stream delivers it, and
	// told that the sink does.
	complete, told bool
	toldVersion    string
	problem        *Problem
	refused        error // what makes waiting for it pointless until somebody acts
}

// record is what is kept of an object, so that an update that changes nothing
// that matters is no event.
type record struct {
	uid     string
	version uint64
	print   fingerprint
	local   *corev1.Pod // of this node; never written to
	heard   uint64      // number of the change that brought it
	told    bool        // the sink has heard of it
}

type fingerprint [16]byte

type change struct {
	event Event
	heard uint64
}

// item is an object as a stream delivers it.
type item struct {
	event   Event
	version uint64 // 0: none that can be compared
	print   fingerprint
	local   *corev1.Pod
}

func newLedger() *ledger {
	return &ledger{
		wake: make(chan struct{}, 1), parts: map[string]*part{}, pending: map[key]change{}, changed: make(chan struct{}), gone: map[string]bool{},
	}
}

func fingerprintOf(content []byte) fingerprint {
	sum := sha256.Sum256(content)
	return fingerprint(sum[:16])
}

// versionOf is a resourceVersion as a number. The API promises that they can be
// compared so, for objects of one resource ("Resource versions" in the
// Kubernetes API concepts).
func versionOf(resourceVersion string) uint64 {
	n, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func keyOf(e *Event) key { return key{e.Resource, e.Namespace, e.Name} }

// expect makes a stream the one that writes a resource. What is known of it
// stays until the stream has a complete list.
func (l *ledger) expect(resource string, s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.parts[resource]
	if p == nil {
		p = &part{known: map[key]record{}}
		l.parts[resource] = p
	}
	p.stream, p.complete, p.told, p.refused = s, false, false, nil
	l.restore(p)
	delete(l.gone, resource)
}

// write runs f on the part of a stream, unless it is another's by now.
func (l *ledger) write(s *stream, f func(*part)) {
	l.mu.Lock()
	if p := l.parts[s.resource]; p != nil && p.stream == s {
		f(p)
	}
	l.mu.Unlock()
	l.signal()
}

func (l *ledger) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// put takes an object that came or changed.
func (l *ledger) put(s *stream, i item) {
	l.write(s, func(p *part) {
		l.enter(p, i)
		p.reach(i.version)
	})
}

// fetched takes an object that was asked for directly. If the stream is past its
// version and does not know it, it is gone. The number is the one to wait for.
func (l *ledger) fetched(resource string, i item) (heard uint64, gone bool) {
	l.mu.Lock()
	defer l.signal()
	defer l.mu.Unlock()
	p := l.parts[resource]
	if p == nil {
		return 0, true
	}
	if _, there := p.known[keyOf(&i.event)]; !there && i.version != 0 && i.version <= versionOf(p.version) {
		return 0, true
	}
	return l.enter(p, i), false
}

// enter takes an object, unless it is older than what is known of it: one that
// was fetched may be newer than what the watch tells. It returns the number to
// wait for. The caller holds mu.
func (l *ledger) enter(p *part, i item) uint64 {
	k := keyOf(&i.event)
	old, there := p.known[k]
	switch {
	case there && old.version > i.version && i.version != 0:
		return old.heard
	case there && old.print == i.print && old.uid == i.event.UID:
		old.version, old.local = i.version, i.local
		p.known[k] = old
		return old.heard
	}
	l.heard++
	p.known[k] = record{uid: i.event.UID, version: i.version, print: i.print, local: i.local, heard: l.heard, told: old.told}
	l.queue(k, i.event)
	return l.heard
}

// reach notes how far the part is.
func (p *part) reach(version uint64) {
	if version > versionOf(p.version) {
		p.version = strconv.FormatUint(version, 10)
	}
}

// delete takes the end of an object, as of a version.
func (l *ledger) delete(s *stream, k key, uid string, version uint64) {
	l.write(s, func(p *part) {
		p.reach(version)
		if old, there := p.known[k]; there && (old.uid == uid || version == 0 || old.version <= version) {
			l.remove(p, k, old)
		}
	})
}

// remove forgets an object and says so. The caller holds mu.
func (l *ledger) remove(p *part, k key, old record) {
	delete(p.known, k)
	l.heard++
	if !old.told {
		l.pending[k] = change{heard: l.heard} // nothing to say
		return
	}
	l.queue(k, Event{Op: Delete, Resource: k.resource, Namespace: k.namespace, Name: k.name, UID: old.uid})
}

// queue makes an event wait for the sink. The caller holds mu.
func (l *ledger) queue(k key, e Event) {
	if _, there := l.pending[k]; !there {
		l.order = append(l.order, k)
	}
	l.pending[k] = change{e, l.heard}
}

// replace takes a complete list, as of a version. What is not in it is gone,
// unless it is newer than the list.
func (l *ledger) replace(s *stream, items []item, version string) {
	l.write(s, func(p *part) {
		listed := make(map[key]struct{}, len(items))
		for _, i := range items {
			listed[keyOf(&i.event)] = struct{}{}
			l.enter(p, i)
		}
		as := versionOf(version)
		for k, old := range p.known {
			if _, there := listed[k]; !there && (as == 0 || old.version <= as) {
				l.remove(p, k, old)
			}
		}
		p.version, p.listed, p.complete = version, true, true
	})
}

// reached notes how far a stream is.
func (l *ledger) reached(s *stream, version string) {
	l.write(s, func(p *part) { p.version = version })
}

// report notes what keeps a stream from its objects, or nil. An error means that
// somebody must act before it can go on.
func (l *ledger) report(s *stream, problem *Problem, refused error) {
	l.write(s, func(p *part) {
		p.problem, p.refused = problem, refused
		if refused != nil {
			l.broadcast()
		}
	})
}

// forget ends a resource: its objects are gone for the sink.
func (l *ledger) forget(resource string) {
	l.mu.Lock()
	defer l.signal()
	defer l.mu.Unlock()
	p := l.parts[resource]
	if p == nil {
		return
	}
	for k, old := range p.known {
		l.remove(p, k, old)
	}
	delete(l.parts, resource)
	l.gone[resource] = true
}

func (l *ledger) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) count(resource string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.parts[resource]; p != nil {
		return len(p.known)
	}
	return 0
}
