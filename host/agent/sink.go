package agent

import (
	"context"
	"sync"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/api/v1alpha1"
	"github.com/sluice-net/sluice/host/catalog"
	"github.com/sluice-net/sluice/host/cluster"
)

// sink takes what the source of objects delivers: first the inventory, so that
// a module's rules find the Pods they are about, then the modules.
type sink struct {
	a   *agent
	ctx context.Context
}

// Apply implements cluster.Sink.
func (s sink) Apply(events []cluster.Event) {
	if err := s.a.engine.Observe(s.ctx, events); err != nil && s.ctx.Err() == nil {
		s.a.log.Error("objects changed, and the bridge could not follow", "error", err)
	}
	objects := make([]abi.Event, 0, len(events))
	modules := false
	for _, e := range events {
		if e.Resource == v1alpha1.PolicyModules {
			modules = true
			s.policyModule(e)
			continue
		}
		if e.Op == cluster.Delete {
			s.a.engine.reports.forget(e.Resource, e.Namespace, e.Name)
		}
		if e.Op == cluster.Delete || e.JSON != nil { // without, no module has asked for it
			objects = append(objects, cluster.ModuleEvent(e))
		}
	}
	s.a.supervisor.Deliver(objects)
	if modules {
		_ = s.a.engine.Await(s.ctx, s.a.catalog.Holds()) // only the end of ctx can prevent it
	}
}

func (s sink) policyModule(e cluster.Event) {
	if e.Op == cluster.Delete {
		s.a.catalog.Delete(e.Name)
		return
	}
	s.a.catalog.Put(e.Name, catalog.Version{UID: e.UID, Generation: e.Generation}, e.JSON)
}

// Synced implements cluster.Sink.
func (s sink) Synced() {
	_ = s.a.engine.Synced(s.ctx) // only the end of ctx can prevent it
	s.a.supervisor.Synced()
}

// Problems implements cluster.Sink.
func (s sink) Problems(problems []cluster.Problem) {
	s.a.progress.setProblems(problems)
	s.a.realising.wake()
}

// Revision implements cluster.Sink.
func (s sink) Revision(revision string) {
	s.a.progress.setRead(revision)
	s.a.realising.wake()
}

// progress is what is known of the source of objects.
type progress struct {
	mu       sync.Mutex
	problems []cluster.Problem
	read     string // revision last delivered to everybody
	realised string // revision last seen to be in force
}

func (p *progress) setProblems(problems []cluster.Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = problems
}

// isNews says whether this revision has not been seen in force yet.
func (p *progress) isNews(revision string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.realised != revision
}

func (p *progress) setRead(revision string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read = revision
}
