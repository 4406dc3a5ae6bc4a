package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry is a registry of its own, with what is known of every Go process.
// Metrics are registered by the New functions of this package, each once.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return registry
}

// DatapathMetrics are about flows.
type DatapathMetrics struct {
	// Flows is how many flows are installed.
	Flows prometheus.Gauge
	// FlowMods counts flow changes that took effect, by operation: add,
	// modify, delete.
	FlowMods *prometheus.CounterVec
	// Bundle is the time from sending a bundle to the answer to its barrier,
	// by outcome: ok, refused, unknown.
	Bundle *prometheus.HistogramVec
	// Repairs counts what was found changed by somebody else and put back, by
	// what: flow, group, route, gateway, port.
	Repairs *prometheus.CounterVec
}

// NewDatapathMetrics registers them; it panics if they are registered already.
func NewDatapathMetrics(r prometheus.Registerer) *DatapathMetrics {
	m := &DatapathMetrics{
		Flows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_flows", Help: "OpenFlow flows that are installed on the bridge.",
		}),
		FlowMods: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_flow_mods_total", Help: "Flow changes that took effect, by operation (add, modify, delete).",
		}, []string{"operation"}),
		Bundle: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_bundle_seconds", Help: "Time from sending a bundle of flow changes to the answer to its barrier, by outcome (ok, refused, unknown).",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16), // 0.5 ms to 16 s
		}, []string{"outcome"}),
		Repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_reconcile_repairs_total", Help: "What was found changed by somebody else and put back (flow, group, route, gateway, port).",
		}, []string{"what"}),
	}
	r.MustRegister(m.Flows, m.FlowMods, m.Bundle, m.Repairs)
	return m
}

// AttachMetrics are about Pods and CNI requests.
type AttachMetrics struct {
	// AttachedPods is how many Pods are on the bridge.
	AttachedPods prometheus.Gauge
	// Requests counts CNI requests, by command (ADD, DEL, …) and outcome: ok,
	// error.
	Requests *prometheus.CounterVec
	// Seconds is how long a CNI request took, by command.
	Seconds *prometheus.HistogramVec
}

// NewAttachMetrics registers them; it panics if they are registered already.
func NewAttachMetrics(r prometheus.Registerer) *AttachMetrics {
	m := &AttachMetrics{
		AttachedPods: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_attached_pods", Help: "Pods whose interface is on the bridge.",
		}),
		Requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_cni_requests_total", Help: "CNI requests, by command and outcome (ok, error).",
		}, []string{"command", "outcome"}),
		Seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_cni_seconds", Help: "Time from a CNI request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15), // 1 ms to 16 s
		}, []string{"command"}),
	}
	r.MustRegister(m.AttachedPods, m.Requests, m.Seconds)
	return m
}
