package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Baseline is what the probes gave with no policy in force.
type Baseline struct {
	Specs    []ProbeSpec // those that connected: only they can prove a refusal
	Outcomes []Outcome
	Unusable []Unusable
}

// MeasureBaseline makes every probe with no policy in force. It must be called
// before ApplyPolicies.
func (l *Lab) MeasureBaseline(ctx context.Context) (*Baseline, error) {
	begin := time.Now()
	specs := l.Probes()
	outcomes, err := l.ProbeAll(ctx, specs)
	if err != nil {
		return nil, err
	}
	baseline := &Baseline{}
	for i, outcome := range outcomes {
		spec := specs[i]
		if outcome.Connected {
			baseline.Specs = append(baseline.Specs, spec)
			baseline.Outcomes = append(baseline.Outcomes, outcome)
		} else {
			baseline.Unusable = append(baseline.Unusable, Unusable{
				spec.From, spec.To, spec.Address.String(), spec.Protocol, spec.Port, outcome.Reason,
			})
		}
	}
	l.progress("with no policy in force %d of %s connect (%.1f s)", len(baseline.Specs), count(len(specs), "probe"), time.Since(begin).Seconds())
	return baseline, nil
}

// BaselineMatrix shows the baseline itself: every probe in it connected.
func (l *Lab) BaselineMatrix(baseline *Baseline) *Matrix {
	return l.matrix(baseline, baseline.Outcomes)
}

// Measure makes the probes that connected in the baseline again, with whatever
// is in force now.
func (l *Lab) Measure(ctx context.Context, baseline *Baseline) (*Matrix, error) {
	begin := time.Now()
	outcomes, err := l.ProbeAll(ctx, baseline.Specs)
	if err != nil {
		return nil, err
	}
	matrix := l.matrix(baseline, outcomes)
	if matrix.Problems, err = l.Problems(ctx); err != nil {
		return nil, err
	}
	connected, refused := matrix.Counts()
	l.progress("with the policies in force %d connect, %d are refused (%.1f s)", connected, refused, time.Since(begin).Seconds())
	return matrix, nil
}

func (l *Lab) matrix(baseline *Baseline, outcomes []Outcome) *Matrix {
	matrix := &Matrix{Nodes: l.plan.Nodes, Unusable: baseline.Unusable, Skipped: l.skipped}
	for i, spec := range baseline.Specs {
		outcome := outcomes[i]
		probe := Probe{
			From: spec.From, To: spec.To, Address: spec.Address.String(), Protocol: spec.Protocol, Port: spec.Port,
			Connected: outcome.Connected, Millis: float64(outcome.Took.Microseconds()) / 1000, Partly: outcome.Partly,
		}
		if isService(spec.To) {
			probe.Answers = outcome.Answers
		}
		matrix.Probes = append(matrix.Probes, probe)
		if outcome.Connected && outcome.Source.IsValid() && !l.isAddressOf(spec.From, outcome.Source) {
			matrix.Rewritten = append(matrix.Rewritten, Rewritten{
				spec.From, spec.To, spec.Address.String(), spec.Protocol, spec.Port, outcome.Source.String(),
			})
		}
	}
	return matrix
}

// isAddressOf tells whether the end may send from the address. A node may from
// any that it has: towards a Pod the kernel may choose the gateway's.
func (l *Lab) isAddressOf(name string, address netip.Addr) bool {
	one, err := l.end(name)
	if err != nil {
		return false
	}
	if slices.Contains(one.addresses, address) {
		return true
	}
	for _, n := range l.nodes {
		if one.ns == n.ns {
			return slices.ContainsFunc(l.pods, func(p *pod) bool {
				return p.node == n && slices.ContainsFunc(p.plan.Addresses, func(a netip.Addr) bool { return l.plan.gatewayFor(a) == address })
			})
		}
	}
	return false
}

// Run is the whole course of `sluicectl lab run --probe`: baseline, policies,
// matrix.
func (l *Lab) Run(ctx context.Context) (*Matrix, error) {
	baseline, err := l.MeasureBaseline(ctx)
	if err != nil {
		return nil, fmt.Errorf("probing with no policy in force: %w", err)
	}
	if len(baseline.Specs) == 0 {
		return nil, errors.New("not one probe connects with no policy in force: nothing can be measured")
	}
	if l.options.PolicyFree {
		return l.BaselineMatrix(baseline), nil
	}
	if err := l.ApplyPolicies(); err != nil {
		return nil, err
	}
	if err := l.WaitRealised(ctx); err != nil {
		return nil, err
	}
	matrix, err := l.Measure(ctx, baseline)
	if err != nil {
		return nil, fmt.Errorf("probing with the policies in force: %w", err)
	}
	return matrix, nil
}
