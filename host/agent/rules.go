package agent

import (
	"context"
	"net/url"

	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/policy"
)

// RuleStatus is one rule or isolation, as GET /v1/rules lists them: by module and
// name, rules before isolations.
type RuleStatus struct {
	Module    string `json:"module"`
	Name      string `json:"name"` // the module's own
	Kind      string `json:"kind"` // rule or isolation
	Tier      string `json:"tier"`
	Direction string `json:"direction"`
	Action    string `json:"action"` // allow, deny, reject or pass; of an isolation deny
	Priority  int32  `json:"priority,omitempty"`
	Log       bool   `json:"log,omitempty"`
	// Origin is the object that it comes from, as its author knows it.
	Origin observe.AuditPolicy `json:"origin"`
	// Installed: it concerns a Pod of this node. If not, it counts nothing.
	Installed bool `json:"installed"`
	// Packets and Bytes that it decided about since its flows were written, by the
	// switch's own count, which lags by a second or so. Of several that do the
	// same to a packet at the same rank one counts it.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// rules answers GET /v1/rules[?module=NAME]. The dump runs beside the engine.
func (a *agent) rules(ctx context.Context, q url.Values) (any, error) {
	var index *datapath.RuleIndex
	var sw datapath.FlowDumper
	err := a.engine.ask(ctx, func() {
		index = a.engine.dp.RuleIndex()
		if a.engine.conn != nil {
			sw = a.engine.conn
		}
	})
	if err != nil {
		return nil, err
	}
	if sw == nil {
		return nil, &observe.Error{Object: "bridge", Reason: datapath.ErrNoSwitch.Error(), Remedy: "see whether ovs-vswitchd runs; the agent tries again by itself"}
	}
	counted, err := index.Count(ctx, sw)
	if err != nil {
		return nil, err
	}
	module := q.Get("module")
	out := []RuleStatus{}
	for _, s := range counted {
		if module == "" || s.Module == module {
			out = append(out, ruleStatus(s))
		}
	}
	return out, nil
}

func ruleStatus(s datapath.RuleStats) RuleStatus {
	kind := "rule"
	if s.Isolation {
		kind = "isolation"
	}
	return RuleStatus{
		Module: s.Module, Name: s.Name, Kind: kind,
		Tier: policy.TierName(s.Spec.Tier), Direction: policy.DirectionName(s.Spec.Direction), Action: policy.ActionName(s.Spec.Action),
		Priority: s.Spec.Priority, Log: s.Spec.Log, Origin: author(s.Decider),
		Installed: s.Installed, Packets: s.Packets, Bytes: s.Bytes,
	}
}
