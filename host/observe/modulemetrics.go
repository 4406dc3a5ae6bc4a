package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ModuleSample is what is known of one module at one moment.
type ModuleSample struct {
	Name, State, Version, Digest string
	Generation                   int
	CPU                          time.Duration // of its sandbox, since that was started
	MemoryBytes                  int64         // resident, of its sandbox
	LastBatch                    time.Duration
	Batches, Requests, Refused   uint64
	Commits, Restarts, Reloads   uint64
	Rollbacks                    uint64
	Rules, Sets, Addresses       int
}

// moduleCollector asks for samples whenever metrics are read, so that a module that
// is gone is gone from them too.
type moduleCollector struct {
	samples func() []ModuleSample
	info    *prometheus.Desc
	gauges  []moduleMetric
}

type moduleMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(ModuleSample) float64
}

// RegisterModules registers metrics of modules, each with the label module. Samples
// must answer at once; it is called from any goroutine.
func RegisterModules(r prometheus.Registerer, samples func() []ModuleSample) {
	c := &moduleCollector{
		samples: samples,
		info: prometheus.NewDesc("sluice_module_info", "What is at work of a module; always 1.",
			[]string{"module", "state", "version", "digest"}, nil),
	}
	add := func(name, help string, kind prometheus.ValueType, value func(ModuleSample) float64) {
		c.gauges = append(c.gauges, moduleMetric{prometheus.NewDesc(name, help, []string{"module"}, nil), kind, value})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add("sluice_module_generation", "Number of the generation of the module that is in force.", gauge, func(s ModuleSample) float64 { return float64(s.Generation) })
	add("sluice_module_cpu_seconds", "Processor time of the module's sandbox since that was started.", gauge, func(s ModuleSample) float64 { return s.CPU.Seconds() })
	add("sluice_module_memory_bytes", "Resident memory of the module's sandbox, engine included.", gauge, func(s ModuleSample) float64 { return float64(s.MemoryBytes) })
	add("sluice_module_last_batch_seconds", "How long the module took over the latest batch.", gauge, func(s ModuleSample) float64 { return s.LastBatch.Seconds() })
	add("sluice_module_batches_total", "Batches of events that the module was called with.", counter, func(s ModuleSample) float64 { return float64(s.Batches) })
	add("sluice_module_requests_total", "Flow requests that the module emitted.", counter, func(s ModuleSample) float64 { return float64(s.Requests) })
	add("sluice_module_refused_total", "Calls of emit that were answered with an error.", counter, func(s ModuleSample) float64 { return float64(s.Refused) })
	add("sluice_module_commits_total", "Transactions of the module that came into force.", counter, func(s ModuleSample) float64 { return float64(s.Commits) })
	add("sluice_module_restarts_total", "Sandboxes of the module that were started again after a failure.", counter, func(s ModuleSample) float64 { return float64(s.Restarts) })
	add("sluice_module_reloads_total", "Generations that took over from another one.", counter, func(s ModuleSample) float64 { return float64(s.Reloads) })
	add("sluice_module_rollbacks_total", "Returns to the generation before, because a new one failed.", counter, func(s ModuleSample) float64 { return float64(s.Rollbacks) })
	add("sluice_module_rules", "Rules and isolations that the module has in force.", gauge, func(s ModuleSample) float64 { return float64(s.Rules) })
	add("sluice_module_sets", "Sets that the module has in force.", gauge, func(s ModuleSample) float64 { return float64(s.Sets) })
	add("sluice_module_addresses", "Blocks and excepts of all sets of the module.", gauge, func(s ModuleSample) float64 { return float64(s.Addresses) })
	r.MustRegister(c)
}

// Describe implements prometheus.Collector.
func (c *moduleCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.info
	for _, g := range c.gauges {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *moduleCollector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.samples() {
		out <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, s.Name, s.State, s.Version, s.Digest)
		for _, g := range c.gauges {
			out <- prometheus.MustNewConstMetric(g.desc, g.kind, g.value(s), s.Name)
		}
	}
}
