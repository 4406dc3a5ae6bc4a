package observe

import "github.com/prometheus/client_golang/prometheus"

// DecisionMetrics are about packets that the switch sent to the agent.
type DecisionMetrics struct {
	// Refused counts packets of rejected connections that passed the meter, by
	// answer: reset, icmp, icmpv6; none if the packet must not be answered;
	// failed if the answer could not be sent.
	Refused *prometheus.CounterVec
	// AuditLines counts lines of the audit log.
	AuditLines prometheus.Counter
	// AuditDropped counts lines that are missing in it, by where they were lost:
	// switch (its meter, or the agent did not keep up), rate, file.
	AuditDropped *prometheus.CounterVec
}

// NewDecisionMetrics registers them; it panics if they are registered already.
func NewDecisionMetrics(r prometheus.Registerer) *DecisionMetrics {
	m := &DecisionMetrics{
		Refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_refused_packets_total", Help: "Packets of rejected connections, by answer (reset, icmp, icmpv6, none, failed). A meter limits them.",
		}, []string{"answer"}),
		AuditLines: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_audit_lines_total", Help: "Lines written to the audit log.",
		}),
		AuditDropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_audit_dropped_total", Help: "Lines missing in the audit log, by where they were lost (switch, rate, file).",
		}, []string{"where"}),
	}
	r.MustRegister(m.Refused, m.AuditLines, m.AuditDropped)
	return m
}
