package agent

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/verdict"
)

// Status is what GET /v1/status answers.
type Status struct {
	Node    string `json:"node"`
	Version string `json:"version"`
	// Held says why the node does not take new Pods; empty if it does.
	Held string `json:"held,omitempty"`
	// SourceRevision names the objects last read; RealisedRevision those whose
	// flows are in force and whose modules have nothing left to do.
	SourceRevision   string            `json:"sourceRevision"`
	RealisedRevision string            `json:"realisedRevision"`
	LastError        string            `json:"lastError,omitempty"`
	Primary          PrimaryStatus     `json:"primary"`
	Problems         []cluster.Problem `json:"problems"`
	Modules          []ModuleStatus    `json:"modules"`
	Names            int64             `json:"names"` // that name servers gave addresses for
	Pods             []PodStatus       `json:"pods"`
	Flows            FlowStatus        `json:"flows"`
	Services         ServiceStatus     `json:"services"`
}

// ModuleStatus is one module, as far as people ask.
type ModuleStatus struct {
	Name       string    `json:"name"`
	Mode       string    `json:"mode"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Generation int       `json:"generation"`
	Digest     string    `json:"digest"`
	Newest     int       `json:"newest"` // generation last read; above Generation if it loads or has failed
	Version    string    `json:"version"`
	LastError  string    `json:"lastError,omitempty"`
	Refusal    string    `json:"lastRefusal,omitempty"`
	Recording  string    `json:"recording,omitempty"`  // file with the last batches of the generation that failed last
	Refused    uint64    `json:"refused,omitempty"`    // calls of emit that were answered with an error
	NotGranted []string  `json:"notGranted,omitempty"` // what its manifest asks for and the operator does not grant
	PID        int       `json:"pid"`
	RSSBytes   int64     `json:"rssBytes"`
	CPUMillis  int64     `json:"cpuMillis"`
	Rules      int       `json:"rules"`
	Sets       int       `json:"sets"`
	Addresses  int       `json:"addresses"`
	Batches    uint64    `json:"batches"`
	Requests   uint64    `json:"requests"`
	Commits    uint64    `json:"commits"`
	Restarts   uint64    `json:"restarts"`
	Reloads    uint64    `json:"reloads"`
	BatchMS    float64   `json:"lastBatchMillis"`
	Rollbacks  uint64    `json:"rollbacks"`
	// Rejected is a generation that was kept out or taken back, and Shadow what a
	// module in mode Shadow would change; nil: nothing of the kind.
	Rejected *plugin.Rejection `json:"rejected,omitempty"`
	Shadow   *ShadowStatus     `json:"shadow,omitempty"`
}

func moduleStatus(s plugin.Status) ModuleStatus {
	return ModuleStatus{
		Name: s.Name, Mode: s.Mode.String(), State: string(s.State), Since: s.Since, Generation: s.Generation, Digest: s.Digest, Newest: s.Newest, Version: s.Version,
		LastError: s.LastError, Refusal: s.LastRefusal, Recording: s.Recording, Refused: s.Refused, NotGranted: s.NotGranted, PID: s.PID, RSSBytes: s.RSS, CPUMillis: s.CPU.Milliseconds(),
		Rules: s.Rules, Sets: s.Sets, Addresses: s.Addresses, Batches: s.Batches, Requests: s.Requests, Commits: s.Commits,
		Restarts: s.Restarts, Reloads: s.Reloads, BatchMS: float64(s.LastBatch.Microseconds()) / 1000,
		Rollbacks: s.Rollbacks, Rejected: s.Rejected,
	}
}

// PodStatus is one attached Pod.
type PodStatus struct {
	Pod       string       `json:"pod"`
	OFPort    uint32       `json:"ofPort"`
	MAC       string       `json:"mac"`
	Addresses []netip.Addr `json:"addresses"`
}

// FlowStatus counts flows.
type FlowStatus struct {
	Installed  int     `json:"installed"`
	Written    uint64  `json:"written"`  // flow mods since the agent started
	Bundles    uint64  `json:"bundles"`  // since the agent started
	Repaired   uint64  `json:"repaired"` // changed by somebody else and put back
	LastMillis float64 `json:"lastMillis"`
	LastMods   int     `json:"lastMods"`
}

// adminServer is the agent's API for people and tools on the node.
func (a *agent) adminServer() *observe.Server {
	s := observe.NewServer(observe.ServerOptions{
		Socket: a.Config.AdminSocket, Logger: a.log, Metrics: a.metrics.registry,
		Health: func(ctx context.Context) error { return a.engine.waitReady(ctx) },
	})
	s.Handle("/v1/status", func(ctx context.Context, _ url.Values) (any, error) { return a.status(ctx) })
	s.Handle("/v1/verdict", a.verdict)
	s.Handle("/v1/modules/diff", a.diff)
	a.handleActions(s)
	s.Handle("/v1/rules", a.rules)
	s.Handle("/v1/modules/recording", a.recording)
	s.Handle("/v1/services", a.list)
	return s
}

// status is taken without waiting for modules; the engine answers between two
// batches.
func (a *agent) status(ctx context.Context) (Status, error) {
	a.progress.mu.Lock()
	read, problems := a.progress.read, slices.Clone(a.progress.problems)
	a.progress.mu.Unlock()
	s := Status{
		Node: a.Config.NodeName, Version: a.Version, SourceRevision: read, Problems: problems, Primary: a.primary.status(),
		Modules: []ModuleStatus{}, Pods: []PodStatus{}, Names: a.names.count.Load(),
	}
	for _, m := range a.supervisor.Status() {
		one := moduleStatus(m)
		one.Shadow = a.shadows.of(m.Name)
		s.Modules = append(s.Modules, one)
	}
	if a.names.idle.Load() {
		s.Problems = append(s.Problems, cluster.Problem{
			File: "the agent's configuration", Field: "dns.servers",
			Reason: "is empty, but a module allows traffic by name: give the addresses of the cluster's name servers, else no name has an address",
		})
	}
	if s.Problems == nil {
		s.Problems = []cluster.Problem{}
	}
	idle := a.modulesIdle()
	var settled bool
	err := a.engine.ask(ctx, func() {
		settled = a.engine.opened && a.engine.lastErr == nil
		if why := a.engine.held(); why != nil {
			s.Held = why.Error()
		}
		if a.engine.lastErr != nil {
			s.LastError = a.engine.lastErr.Error()
		}
		for _, p := range a.engine.dp.Pods() {
			s.Pods = append(s.Pods, podStatus(p))
		}
		s.Services = a.engine.services.status()
		stats := a.engine.dp.Stats()
		s.Flows = FlowStatus{
			Installed: stats.Flows, Written: stats.FlowMods, Bundles: stats.Bundles, Repaired: stats.Repaired,
			LastMillis: float64(stats.LastBundle.Microseconds()) / 1000, LastMods: stats.LastMods,
		}
	})
	if err != nil {
		return s, err
	}
	if a.retired.Load() {
		s.Held = "Sluice was uninstalled from this node; end sluice-agent, or start it again to install it"
	}
	if idle && settled && a.progress.isNews(read) {
		a.followed(ctx)
	}
	a.progress.mu.Lock()
	defer a.progress.mu.Unlock()
	if idle && settled {
		a.progress.realised = read
	}
	s.RealisedRevision = a.progress.realised
	return s, nil
}

// modulesIdle says whether the modules have handled all that was delivered, as
// far as can be told without waiting.
func (a *agent) modulesIdle() bool {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return a.supervisor.Settled(now) == nil
}

func podStatus(p datapath.LocalPod) PodStatus {
	return PodStatus{Pod: p.Key(), OFPort: p.OFPort, MAC: p.MAC.String(), Addresses: p.Addresses}
}

// verdict answers GET /v1/verdict?from=&to=&protocol=&port= from what is in force.
func (a *agent) verdict(ctx context.Context, q url.Values) (any, error) {
	port, err := strconv.ParseUint(q.Get("port"), 10, 16)
	if err != nil && q.Get("port") != "" {
		return nil, observe.BadParameter("port", "not a port number", "give a number from 0 to 65535")
	}
	question := verdict.Question{From: q.Get("from"), To: q.Get("to"), Protocol: q.Get("protocol"), Port: uint16(port)}
	var view policy.View
	var routes []verdict.Route
	var wrong error
	if err := a.engine.ask(ctx, func() {
		view = a.engine.view()
		routes, wrong = a.engine.services.routes(question)
	}); err != nil {
		return nil, err
	}
	var answer verdict.Answer
	if wrong == nil {
		answer, wrong = verdict.Ask(view, question, routes)
	}
	if wrong != nil {
		return nil, observe.BadParameter("from, to or protocol", wrong.Error(), "give namespace/pod or an IP address, svc:namespace/name[:port] for a Service, and TCP, UDP or SCTP")
	}
	return answer, nil
}

// view is what the node's policy is at this moment.
func (e *engine) view() policy.View {
	v := policy.View{Inventory: e.inv.Snapshot()}
	for _, l := range e.layers {
		v.Layers = append(v.Layers, l.Freeze())
	}
	return v
}
