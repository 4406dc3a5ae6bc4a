package datapath

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// Decider is a rule or an isolation that decided about a packet.
type Decider struct {
	policy.Key
	Isolation bool
	// Spec is the rule. Of an isolation it has tier, direction, subjects and
	// origin; its action is Deny.
	Spec abi.RuleSpec
}

// Decider finds out who decided, from the number that a packet carries (see
// Event). False: it has been deleted since, or never was.
func (d *Datapath) Decider(id uint32) (Decider, bool) {
	p := d.rules.ids[id]
	if p == nil {
		return Decider{}, false
	}
	return p.rule.decider(), true
}

// Isolating lists the isolations of a local Pod, given by address, in one tier and
// direction, ordered by module and name.
func (d *Datapath) Isolating(pod netip.Addr, direction abi.Direction, tier abi.Tier) []Decider {
	id, known := d.members.of[pod]
	if !known {
		return nil
	}
	found := map[policy.Key]Decider{}
	for s := range d.members.class(id).sets {
		for r := range s.subjectOf {
			if r.isolation && r.spec.Direction == direction && r.spec.Tier == tier {
				found[r.name()] = r.decider()
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Decider) int { return a.Key.Compare(b.Key) })
}

func (r *rule) decider() Decider {
	return Decider{Key: r.name(), Isolation: r.isolation, Spec: r.spec}
}

// name is the key by which the module knows the rule or isolation.
func (r *rule) name() policy.Key {
	if r.isolation {
		return policy.Key{Module: r.key.Module, Name: r.key.Name[1:]}
	}
	return r.key
}

// logs says whether the agent is told of what the rule decides. To pass is to
// decide nothing.
func (r *rule) logs() bool { return r.spec.Log && r.spec.Action != abi.Pass }

// sign writes into a packet who decided, and what is to happen besides.
func (p *part) sign() of.Actions {
	by := regIngressBy
	if p.rule.spec.Direction == abi.Egress {
		by = regEgressBy
	}
	var bits uint64
	if p.rule.logs() {
		bits |= 1 << bitLog
	}
	if p.rule.spec.Action == abi.Reject {
		bits |= 1 << bitRefuse
	}
	if bits == 0 {
		return of.Do(of.SetField(by.Is(uint64(p.id))))
	}
	return of.Do(of.SetField(by.Is(uint64(p.id))), of.SetField(regFlags.Masked(bits, bits)))
}
