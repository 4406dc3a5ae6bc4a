package datapath

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// RuleStats is how much a rule or isolation has decided about since its flows were
// written. Of several that do the same thing at the same rank to a packet the
// switch counts it for one.
type RuleStats struct {
	Decider
	Installed bool // it concerns a Pod of this node
	Packets   uint64
	Bytes     uint64
}

// RuleIndex is a copy of who has which number.
type RuleIndex struct {
	rules []*RuleStats
	byID  map[uint32]*RuleStats
}

// RuleIndex lists all rules and isolations. It does not change afterwards and may
// be given to another goroutine, so that a large dump holds nobody up.
func (d *Datapath) RuleIndex() *RuleIndex {
	x := &RuleIndex{byID: make(map[uint32]*RuleStats, len(d.rules.ids))}
	for _, r := range d.rules.byKey {
		s := &RuleStats{Decider: r.decider()}
		for _, p := range r.parts {
			s.Installed = s.Installed || p.lane != nil
			x.byID[p.id] = s
		}
		x.rules = append(x.rules, s)
	}
	slices.SortFunc(x.rules, func(a, b *RuleStats) int {
		return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(kindOf(a.Decider), kindOf(b.Decider)))
	})
	return x
}

func kindOf(d Decider) cookieKind {
	if d.Isolation {
		return cookieIsolate
	}
	return cookieRule
}

// FlowDumper is a connection to the bridge.
type FlowDumper interface {
	DumpFlows(ctx context.Context, filter of.FlowFilter) ([]of.FlowStats, error)
}

// Count asks the switch and returns all rules, ordered by module and name, rules
// before isolations. An index is used once.
func (x *RuleIndex) Count(ctx context.Context, sw FlowDumper) ([]RuleStats, error) {
	for _, kind := range []cookieKind{cookieRule, cookieIsolate} {
		flows, err := sw.DumpFlows(ctx, of.FlowFilter{Cookie: cookie(kind, 0), CookieMask: 0xffffffff << 32})
		if err != nil {
			return nil, fmt.Errorf("reading the counters of rules: %w", err)
		}
		for _, f := range flows {
			s := x.byID[uint32(f.Cookie)]
			if s == nil || f.Cookie>>32 != cookie(kind, 0)>>32 || !isTier(Stage(f.Table)) {
				continue // invalid packets of guarded Pods are not decided about
			}
			s.Packets += f.Packets
			s.Bytes += f.Bytes
		}
	}
	out := make([]RuleStats, len(x.rules))
	for i, s := range x.rules {
		out[i] = *s
	}
	return out, nil
}

func isTier(s Stage) bool {
	return s >= EgressAdmin && s <= EgressBaseline || s >= IngressAdmin && s <= IngressBaseline
}
