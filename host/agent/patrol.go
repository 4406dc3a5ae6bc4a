package agent

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/datapath"
)

// patrolEvery is how often the flows of the bridge are compared with what was
// written. The engine does nothing else meanwhile, so with very many flows (half a
// million take a second) it rests patrolRest times as long as that took.
const (
	patrolEvery = 8 * time.Second
	patrolRest  = 6
)

// patrolAfter is how long the patrol rests after a comparison that took so long.
func patrolAfter(took time.Duration) time.Duration { return max(patrolEvery, patrolRest*took) }

// patrol puts back what somebody changed by hand.
func (a *agent) patrol(ctx context.Context) error {
	next := time.NewTimer(patrolEvery)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return nil
		}
		var wrong int
		var took time.Duration
		err := a.engine.do(ctx, task{change: func() (err error) {
			start := time.Now()
			wrong, err = a.engine.repair(ctx)
			took = time.Since(start)
			return err
		}})
		next.Reset(patrolAfter(took))
		if wrong > 0 {
			a.metrics.datapath.Repairs.WithLabelValues("flow").Add(float64(wrong))
			a.log.Warn("flows were not as written, and were put back", "flows", wrong)
		}
		if err != nil && !errors.Is(err, datapath.ErrNoSwitch) && ctx.Err() == nil {
			a.log.Error("comparing the flows of the bridge", "error", err)
		}
	}
}

// repair compares and repairs, once the node is open.
func (e *engine) repair(ctx context.Context) (int, error) {
	if !e.opened {
		return 0, nil
	}
	return e.dp.Repair(ctx)
}

// repaired hears what the patrol of routes, ports and the gateway put back.
func (a *agent) repaired(r attach.Repairs, err error) {
	if err != nil {
		a.log.Error("comparing routes and ports", "error", err)
	}
	for what, n := range map[string]int{
		"gateway": r.Gateway, "port": r.Ports, "route": r.Routes, "neighbour": r.Neighbours,
		"proxy": r.Proxies, "drop": r.Drops, "offload": r.Offloads, "pruned": r.Pruned, "mirror": r.Mirrored,
	} {
		if n > 0 {
			a.metrics.datapath.Repairs.WithLabelValues(what).Add(float64(n))
		}
	}
	if r.Total() > 0 {
		a.log.Warn("the node was not as it should be, and was put right", "repairs", r)
	}
}
