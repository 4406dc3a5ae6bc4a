package observe

import "github.com/prometheus/client_golang/prometheus"

// ServiceMetrics are about Services as the Pods of this node see them.
type ServiceMetrics struct {
	// Ports is how many ports of Services are served, each address family by itself.
	Ports prometheus.Gauge
	// Backends is how many there are behind all of them.
	Backends prometheus.Gauge
	// Refused is how many of the ports are not served as they are now, because the
	// bridge does not take them.
	Refused prometheus.Gauge
}

// NewServiceMetrics registers them; it panics if they are registered already.
func NewServiceMetrics(r prometheus.Registerer) *ServiceMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &ServiceMetrics{
		Ports:    gauge("sluice_service_ports", "Ports of Services that the bridge serves, each address family by itself."),
		Backends: gauge("sluice_service_backends", "Backends of all ports of Services that the bridge serves."),
		Refused:  gauge("sluice_service_ports_refused", "Ports of Services of which an older state is in force, because the bridge does not take the present one."),
	}
	r.MustRegister(m.Ports, m.Backends, m.Refused)
	return m
}
