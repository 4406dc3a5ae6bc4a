package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/proxy"
	"github.com/sluice-net/sluice/host/verdict"
)

// ServicesConfig says whether the bridge balances what Pods send to Services.
type ServicesConfig struct {
	// Enabled is turned off where another proxy works on the Pods' own sockets,
	// so that no packet to a Service is ever seen. Everywhere else policy on
	// egress depends on it. Default true.
	Enabled *bool `json:"enabled,omitempty"`
}

func (c *ServicesConfig) complete() {
	if c.Enabled == nil {
		on := true
		c.Enabled = &on
	}
}

// services brings Services into the datapath. It belongs to the engine's goroutine;
// nil: Services are left alone.
type services struct {
	log   *slog.Logger
	model *proxy.Model
	dp    *datapath.Datapath
	// refused are ports that the datapath does not take, and what was in force of
	// them before still is. They are tried again with every change of Services.
	refused map[string]refused
	metrics *observe.ServiceMetrics
}

type refused struct {
	port   datapath.ServicePort
	reason error
}

func newServices(log *slog.Logger, model *proxy.Model, dp *datapath.Datapath, m *observe.ServiceMetrics) *services {
	return &services{log: log, model: model, dp: dp, refused: map[string]refused{}, metrics: m}
}

// observe takes objects in.
func (s *services) observe(events []cluster.Event) {
	if s == nil {
		return
	}
	s.model.Apply(events)
	s.settle()
}

// attach tells the addresses of a Pod of this node; none: it has gone.
func (s *services) attach(namespace, name string, addresses []netip.Addr) {
	if s == nil {
		return
	}
	s.model.Attach(namespace, name, addresses)
	s.settle()
}

// settle makes the datapath want what the model says.
func (s *services) settle() {
	changes := s.model.Flush()
	if len(changes.Delete)+len(changes.Put) == 0 {
		return
	}
	for _, name := range changes.Delete {
		s.dp.DeleteService(name)
		delete(s.refused, name)
	}
	for _, p := range changes.Put {
		delete(s.refused, p.Name)
		s.put(p)
	}
	for _, name := range slices.Sorted(maps.Keys(s.refused)) {
		s.put(s.refused[name].port)
	}
	n := s.model.Counts()
	s.metrics.Ports.Set(float64(n.Ports))
	s.metrics.Backends.Set(float64(n.Backends))
	s.metrics.Refused.Set(float64(len(s.refused)))
}

func (s *services) put(p datapath.ServicePort) {
	err := s.dp.PutService(p)
	if err == nil {
		delete(s.refused, p.Name)
		return
	}
	if before, known := s.refused[p.Name]; !known || before.reason.Error() != err.Error() {
		s.log.Error("a Service is not served as it is now; what was in force of it stays", "port", p.Name, "error", err)
	}
	s.refused[p.Name] = refused{p, err}
}

// problems are those of the objects, and what the datapath has refused.
func (s *services) problems() []proxy.Problem {
	return append(s.model.Problems(), s.refusals()...)
}

// refusals are what the datapath has refused, by name.
func (s *services) refusals() []proxy.Problem {
	var all []proxy.Problem
	for _, name := range slices.Sorted(maps.Keys(s.refused)) {
		service, _, _ := strings.Cut(name, ":")
		all = append(all, proxy.Problem{Object: "Service " + service, Field: "spec", Reason: s.refused[name].reason.Error() + "; what was in force of it stays"})
	}
	return all
}

// ServiceStatus is what status says of Services.
type ServiceStatus struct {
	Enabled bool `json:"enabled"`
	proxy.Counts
	Problems []proxy.Problem `json:"problems"` // what is not served as written
}

func (s *services) status() ServiceStatus {
	if s == nil {
		return ServiceStatus{Problems: []proxy.Problem{}}
	}
	status := ServiceStatus{Enabled: true, Counts: s.model.Counts(), Problems: s.problems()}
	if status.Problems == nil {
		status.Problems = []proxy.Problem{}
	}
	return status
}

// routes are the ports of Services that a question is to, as Pods of this node see
// them.
func (s *services) routes(q verdict.Question) ([]verdict.Route, error) {
	if s != nil {
		return verdict.Routes(s.model, q)
	}
	if strings.HasPrefix(q.To, verdict.ServicePrefix) {
		return nil, errors.New("to: the bridge leaves Services alone (services.enabled: false)")
	}
	return nil, nil
}

// list answers GET /v1/services[?service=NAMESPACE/NAME].
func (a *agent) list(ctx context.Context, q url.Values) (any, error) {
	var out []proxy.Service
	on := false
	err := a.engine.ask(ctx, func() {
		if on = a.engine.services != nil; on {
			out = a.engine.services.list(q.Get("service"))
		}
	})
	switch {
	case err != nil:
		return nil, err
	case !on:
		return nil, &observe.Error{Object: "Services", Reason: "the bridge leaves them alone", Remedy: "set services.enabled: true in the agent's configuration"}
	case len(out) == 0 && q.Get("service") != "":
		return nil, observe.NotFound("Service "+q.Get("service"), "there is none", "name it as namespace/name")
	}
	return out, nil
}

// list is the Service of that name, or all for "", with what the datapath has
// refused of them.
func (s *services) list(only string) []proxy.Service {
	out := []proxy.Service{}
	if namespace, name, named := strings.Cut(only, "/"); named {
		if one, known := s.model.Service(namespace, name); known {
			out = append(out, one)
		}
	} else if only == "" {
		out = s.model.Services()
	}
	refused := map[string][]proxy.Problem{}
	for _, p := range s.refusals() {
		refused[p.Object] = append(refused[p.Object], p)
	}
	for i := range out {
		out[i].Problems = append(out[i].Problems, refused["Service "+out[i].Namespace+"/"+out[i].Name]...)
	}
	return out
}
