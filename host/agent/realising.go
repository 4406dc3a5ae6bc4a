package agent

import (
	"context"
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// realising finds out up to which version of each resource everything is in force.
type realising struct {
	heard chan struct{} // has an element when something was delivered

	mu       sync.Mutex
	versions map[string]string // in force, by resource
	at       time.Time         // when that changed
	changed  chan struct{}     // has an element when that of policies did since somebody looked
	seen     string            // the condition, and since when it is as it is
	seenAt   metav1.Time
}

func newRealising() *realising {
	return &realising{heard: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
}

// wake says that something was delivered.
func (r *realising) wake() { poke(r.heard) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

const (
	// settleTime bounds one wait for the modules.
	settleTime = 5 * time.Second
	// realiseAgain is how soon a failure is looked at again.
	realiseAgain = time.Second
)

// realise follows what is delivered until ctx ends. Versions are read before the
// modules are waited for: what they had to handle by then is in force afterwards.
func (a *agent) realise(ctx context.Context) error {
	for {
		var again <-chan time.Time
		versions := a.kube.Versions()
		if !a.inForce(ctx, versions) {
			again = time.After(realiseAgain)
		}
		select {
		case <-a.realising.heard:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// inForce waits until the modules have handled all that was delivered, and notes
// what the bridge has of it. A module that cannot handle something holds back the
// resources that it watches and no others. It says whether all is in force.
func (a *agent) inForce(ctx context.Context, versions map[string]string) bool {
	settling, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	var behind []string
	if a.supervisor.Settled(settling) != nil {
		behind = a.supervisor.Behind()
	}
	written := false
	if err := a.engine.ask(ctx, func() { written = a.engine.opened && a.engine.lastErr == nil }); err != nil || !written {
		return false
	}
	before, _ := a.realising.get()
	if !maps.Equal(before, versions) {
		a.followed(ctx)
	}
	for _, resource := range behind {
		if version, there := before[resource]; there {
			versions[resource] = version
		} else {
			delete(versions, resource)
		}
	}
	a.realising.set(versions)
	return len(behind) == 0
}

func (r *realising) set(versions map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if maps.Equal(versions, r.versions) {
		return
	}
	news := !maps.Equal(ofPolicies(versions), ofPolicies(r.versions))
	r.versions, r.at = versions, time.Now()
	if news { // of the others nobody is told, and they change with every Pod
		poke(r.changed)
	}
}

func ofPolicies(versions map[string]string) map[string]string {
	policies := make(map[string]string, 2)
	for resource, version := range versions {
		if isPolicy(resource) {
			policies[resource] = version
		}
	}
	return policies
}

func (r *realising) get() (map[string]string, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.versions, r.at
}

// since is when a condition was first seen as it is, seen being what tells it from
// others.
func (r *realising) since(seen string) metav1.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen != seen {
		r.seen, r.seenAt = seen, metav1.NewTime(time.Now().Truncate(time.Second))
	}
	return r.seenAt
}
