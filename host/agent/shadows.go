package agent

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
)

// ShadowStatus is what a shadow would change if it were enforced.
type ShadowStatus struct {
	InsteadOf string    `json:"insteadOf,omitempty"`
	At        time.Time `json:"at"` // of the comparison
	Error     string    `json:"error,omitempty"`

	compare.Report

	// Connections that are open on the bridge, and those of them that the shadow
	// would cut. What policy denies today opens no connection, so how much traffic
	// would be newly allowed cannot be counted here.
	Connections  int      `json:"connections"`
	WouldCut     int      `json:"wouldCut"`
	CutExamples  []string `json:"cutExamples,omitempty"`
	TrafficError string   `json:"trafficError,omitempty"`
}

// shadows keeps the comparisons up to date.
type shadows struct {
	mu   sync.Mutex
	last map[string]*ShadowStatus // by module
}

func (s *shadows) of(module string) *ShadowStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[module]
}

const (
	// shadowsEvery is how often shadows are compared with what is in force, at most.
	shadowsEvery = 10 * time.Second
	// shadowsShare is how much of one processor comparing may take.
	shadowsShare = 20
	// shadowChanges are kept for the status; `sluicectl module diff` asks for more.
	shadowChanges = 20
)

// watchShadows compares each shadow with what is in force until ctx ends.
func (a *agent) watchShadows(ctx context.Context) error {
	for {
		begin := time.Now()
		a.compareShadows(ctx)
		select {
		case <-time.After(max(shadowsEvery, shadowsShare*time.Since(begin))):
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *agent) compareShadows(ctx context.Context) {
	all := a.supervisor.Shadows()
	now := make(map[string]*ShadowStatus, len(all))
	for _, s := range all {
		status := a.foresee(ctx, s, shadowChanges)
		now[s.Layer.Module()] = status
		if status.Error != "" && ctx.Err() == nil {
			a.log.Warn("comparing a shadow with what is in force", "module", s.Layer.Module(), "error", status.Error)
		}
	}
	a.shadows.mu.Lock()
	defer a.shadows.mu.Unlock()
	a.shadows.last = now
}

// foresee compares one shadow. It runs beside the engine.
func (a *agent) foresee(ctx context.Context, s plugin.ShadowLayer, limit int) *ShadowStatus {
	status := &ShadowStatus{InsteadOf: s.InsteadOf, At: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, reviewPatience)
	defer cancel()
	objects, before, err := a.engine.inForce(ctx)
	if err == nil {
		err = status.compare(ctx, objects, before, replace(before, s.InsteadOf, s.Layer.Freeze()), limit, a.liveConnections)
	}
	if err != nil {
		status.Error = err.Error()
	}
	return status
}

func (s *ShadowStatus) compare(
	ctx context.Context, objects *inventory.Snapshot, before, after []*policy.Layer, limit int,
	traffic func(context.Context) ([]policy.Packet, error),
) error {
	judge, err := compare.NewJudge(objects, before, after)
	if err != nil {
		return err
	}
	result, err := judge.Compare(ctx, compare.Options{Limit: limit})
	if err != nil {
		return err
	}
	s.Report = result.Report()
	live, err := traffic(ctx)
	if err != nil {
		s.TrafficError = err.Error()
		return nil
	}
	s.Connections = len(live)
	for _, p := range live {
		was, is := judge.Verdicts(p)
		if was != abi.Allow || is == abi.Allow {
			continue
		}
		if s.WouldCut++; len(s.CutExamples) < examplesShown {
			s.CutExamples = append(s.CutExamples, fmt.Sprintf("%s to %s, %s/%d",
				nameOf(objects, p.Source), nameOf(objects, p.Destination), policy.ProtocolName(p.Protocol), p.Port))
		}
	}
	return nil
}

// diff answers GET /v1/modules/diff?module=NAME: what a shadow would change, freshly
// compared.
func (a *agent) diff(ctx context.Context, q url.Values) (any, error) {
	for _, s := range a.supervisor.Shadows() {
		if s.Layer.Module() == q.Get("module") {
			return a.foresee(ctx, s, 0), nil
		}
	}
	module := q.Get("module")
	for _, l := range a.supervisor.Layers() {
		if l.Module() == module {
			return nil, observe.NotFound("module "+module, "it is enforced on this node, so there is nothing that it would change",
				"run the version that is to be compared as another module, with mode: Shadow and insteadOf: "+module)
		}
	}
	return nil, observe.NotFound("module "+module, "no module of this name runs on this node", "`sluicectl get modules` lists those that do, and their modes")
}

// accept answers POST /v1/modules/accept?module=NAME&digest=DIGEST.
func (a *agent) accept(ctx context.Context, q url.Values) (any, error) {
	if err := a.supervisor.Accept(ctx, q.Get("module"), q.Get("digest")); err != nil {
		return nil, observe.BadParameter("module or digest", err.Error(), "`sluicectl status -o json` shows under rejected what can be accepted")
	}
	return struct{}{}, nil
}

// nameOf is the Pod that has the address, or the address.
func nameOf(objects *inventory.Snapshot, a netip.Addr) string {
	if p, isPod := objects.PodByAddr(a); isPod {
		return p.Namespace() + "/" + p.Name()
	}
	return a.String()
}
