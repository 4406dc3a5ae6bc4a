package agent

import (
	"context"

	"github.com/sluice-net/sluice/host/cluster"
)

// Observe brings a batch of objects into the inventory and returns once the
// flows reflect them.
func (e *engine) Observe(ctx context.Context, events []cluster.Event) error {
	return e.do(ctx, task{
		change: func() error {
			for _, event := range events {
				cluster.Learn(e.inv, event)
				if ns, on, ok := cluster.AuditLogging(event); ok {
					e.dp.LogNamespace(ns, on)
				}
			}
			e.services.observe(events)
			e.dp.Refresh()
			return nil
		},
		settle: remembered,
	})
}
