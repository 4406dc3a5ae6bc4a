package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/policy"
)

// audit writes down decisions about new connections that the switch reports.
type audit struct {
	engine *engine
	log    *observe.AuditLog
	queue  chan datapath.Event
}

const (
	// auditRoom is how many decisions wait while the engine is busy; further ones
	// are counted as dropped.
	auditRoom = 1024
	// auditEvery is how often lost decisions are looked for.
	auditEvery = time.Second
)

func newAudit(e *engine, log *observe.AuditLog) *audit {
	return &audit{engine: e, log: log, queue: make(chan datapath.Event, auditRoom)}
}

// hear never waits.
func (a *audit) hear(e datapath.Event) {
	select {
	case a.queue <- e:
	default:
		a.log.Dropped(1)
	}
}

// run writes lines until ctx ends.
func (a *audit) run(ctx context.Context) error {
	defer a.log.Close()
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.log.Flush()
		case first := <-a.queue:
			for _, line := range a.explain(ctx, a.waiting(first)) {
				a.log.Write(line)
			}
		}
	}
}

// waiting takes what is in the queue, so that the engine is asked once.
func (a *audit) waiting(first datapath.Event) []datapath.Event {
	events := []datapath.Event{first}
	for len(events) < auditRoom {
		select {
		case e := <-a.queue:
			events = append(events, e)
		default:
			return events
		}
	}
	return events
}

func (a *audit) explain(ctx context.Context, events []datapath.Event) (lines []*observe.AuditLine) {
	err := a.engine.ask(ctx, func() {
		pods := a.engine.inv.Snapshot()
		for _, e := range events {
			lines = append(lines, explain(a.engine.dp, pods, e)...)
		}
	})
	if err != nil {
		return nil // the agent ends
	}
	return lines
}

// explain makes a line for each direction that was asked and is to be logged: the
// Pod's Namespace wants it, or the rule does.
func explain(dp *datapath.Datapath, pods *inventory.Snapshot, e datapath.Event) (lines []*observe.AuditLine) {
	for _, d := range []struct {
		direction abi.Direction
		subject   netip.Addr
		by        uint32
	}{
		{abi.Egress, e.Source, e.EgressBy},
		{abi.Ingress, e.Destination, e.IngressBy},
	} {
		if d.direction == abi.Ingress && e.Denied == abi.Egress {
			break // it was not asked
		}
		subject, isPod := pods.PodByAddr(d.subject)
		if !isPod || !subject.Attached() {
			continue
		}
		decider, known := dp.Decider(d.by)
		if gone := d.by != 0 && !known; !gone && !decider.Spec.Log && !dp.Logged(subject.Namespace()) {
			continue
		}
		line := &observe.AuditLine{
			Direction: policy.DirectionName(d.direction), Verdict: "allow", By: d.by,
			Source: end(pods, e.Source), Destination: end(pods, e.Destination), Protocol: policy.ProtocolName(e.Protocol),
		}
		ports(line, e)
		if e.Denied == d.direction {
			line.Verdict = policy.ActionName(abi.Deny)
		}
		switch {
		case d.by == 0:
			line.Reason = "nothing denies"
		case !known:
			line.Reason = "the policy that decided is gone by now"
		default:
			decided(line, dp, decider, d.subject)
		}
		lines = append(lines, line)
	}
	return lines
}

// decided fills in who decided. Where that is an isolation, all of them did.
func decided(line *observe.AuditLine, dp *datapath.Datapath, by datapath.Decider, subject netip.Addr) {
	line.Verdict = policy.ActionName(by.Spec.Action)
	line.Tier, line.Module = policy.TierName(by.Spec.Tier), by.Module
	if !by.Isolation {
		line.Reason = "a rule decides"
		line.Policies = []observe.AuditPolicy{author(by)}
		return
	}
	line.Reason = "isolated, and no rule allows"
	for _, i := range dp.Isolating(subject, by.Spec.Direction, by.Spec.Tier) {
		line.Policies = append(line.Policies, author(i))
	}
}

// author names a policy as its author does, or else as its module does.
func author(d datapath.Decider) observe.AuditPolicy {
	o := d.Spec.Origin
	if o.Name == "" {
		return observe.AuditPolicy{Name: d.Name}
	}
	return observe.AuditPolicy{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name, Rule: o.Rule}
}

func end(pods *inventory.Snapshot, a netip.Addr) observe.AuditEnd {
	e := observe.AuditEnd{Address: a.String()}
	if p, isPod := pods.PodByAddr(a); isPod {
		e.Namespace, e.Pod = p.Namespace(), p.Name()
	}
	return e
}

func ports(line *observe.AuditLine, e datapath.Event) {
	if e.Protocol == abi.ICMP || e.Protocol == abi.ICMPv6 {
		icmpType, code := uint8(e.SourcePort), uint8(e.DestPort)
		line.ICMPType, line.ICMPCode = &icmpType, &code
		return
	}
	line.SourcePort, line.DestinationPort = e.SourcePort, e.DestPort
}

// openAudit makes the audit log that the configuration asks for.
func (a *agent) openAudit() error {
	c := a.Config.Audit
	if c.File == "" {
		return nil
	}
	log, err := observe.OpenAuditLog(observe.AuditOptions{
		Path: c.File, MaxBytes: int64(c.MaxMiB) << 20, Rate: c.LinesPerSecond, Burst: 2 * c.LinesPerSecond,
		Logger: a.log, Metrics: a.metrics.decision,
	})
	if err != nil {
		return err
	}
	a.audit = newAudit(a.engine, log)
	return nil
}
