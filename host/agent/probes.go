package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sluice-net/sluice/host/observe"
)

// ProbesConfig says where a kubelet and a Prometheus server find the agent.
type ProbesConfig struct {
	// Address serves /livez, /readyz and /metrics without any secret. Default
	// 127.0.0.1:9469 in a cluster, none with a directory of manifests.
	Address string `json:"address,omitempty"`
}

const defaultProbes = "127.0.0.1:9469"

// serveProbes starts to answer them, if they have an address.
func (a *agent) serveProbes(ctx context.Context, start func(string, func(context.Context) error)) error {
	if a.Config.Probes.Address == "" {
		return nil
	}
	var alive pulse
	serve, err := observe.ListenProbes(ctx, observe.ProbeOptions{
		Address: a.Config.Probes.Address, Metrics: a.metrics.registry, Logger: a.log,
		Ready: a.engine.waitReady,
		Live: func(ctx context.Context) error {
			return alive.beat(time.Now(), a.engine.ask(ctx, func() {}))
		},
	})
	if err != nil {
		return err
	}
	start("probes", serve)
	return nil
}

// deadAfter is how long the engine may not answer: several times what one bundle
// may take.
const deadAfter = 5 * bundleTimeout

// pulse tells an engine that is busy from one that hangs.
type pulse struct {
	mu    sync.Mutex
	since time.Time // it does not answer; zero: it did the last time
}

// beat takes how one question went, and says whether the engine hangs.
func (p *pulse) beat(now time.Time, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = now
	case now.Sub(p.since) > deadAfter:
		return fmt.Errorf("the agent's engine has not answered for %v", now.Sub(p.since).Round(time.Second))
	}
	return nil
}
