package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-net/sluice/host/observe"
)

// metrics are the agent's own numbers, in a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	datapath *observe.DatapathMetrics
	decision *observe.DecisionMetrics
	services *observe.ServiceMetrics
}

func newMetrics() metrics {
	r := observe.NewRegistry()
	return metrics{registry: r, datapath: observe.NewDatapathMetrics(r), decision: observe.NewDecisionMetrics(r), services: observe.NewServiceMetrics(r)}
}
