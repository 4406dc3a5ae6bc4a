package translate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/kube"
	"github.com/sluice-net/sluice/sdk/go/perobject"
)

// Resource is the resource that Policy reads objects of.
const Resource = "clusternetworkpolicies.policy.networking.k8s.io"

// Policy translates the ClusterNetworkPolicy name, given as JSON; it belongs to
// no namespace. The requests are in an order in which each set comes before what
// names it, and equal objects give equal requests; if a rule fails closed, the
// last is a report that says so. The error is a *kube.FieldError.
//
// Rules are named "<name>/ingress[2]" after their place in the object. Their
// origin adds the name that the author gave the rule: "ingress[2] allow-dns".
func Policy(_, name string, json []byte) ([]abi.Request, error) {
	policy, err := read(json)
	if err != nil {
		return nil, err
	}
	var sets kube.Sets
	subjects := []string{sets.PodsOf(policy.subjects.namespace, policy.subjects.pod)}
	origin := abi.Origin{Resource: Resource, Name: name}
	var rules []abi.Request
	var closed []string
	for _, half := range []struct {
		direction abi.Direction
		word      string
		rules     []rule
	}{{abi.Ingress, "ingress", policy.ingress}, {abi.Egress, "egress", policy.egress}} {
		for i, rule := range half.rules {
			place := half.word + "[" + strconv.Itoa(i) + "]"
			if rule.closed != "" {
				closed = append(closed, "spec."+place+"."+rule.closed)
			}
			spec := abi.RuleSpec{
				Tier:      policy.tier,
				Direction: half.direction,
				Priority:  priority(policy.priority, i),
				Subjects:  subjects,
				Origin:    origin,
			}
			if !decide(&spec, &sets, rule) {
				continue
			}
			spec.Origin.Rule = kube.Name(strings.TrimSpace(place + " " + rule.name))
			rules = append(rules, &abi.PutRule{Name: kube.Name(name + "/" + place), Spec: spec})
		}
	}
	var requests []abi.Request
	if rules != nil {
		requests = append(sets.Requests(), rules...)
	}
	if closed != nil {
		requests = append(requests, perobject.Degraded(origin, "FailedClosed", strings.Join(closed, "; ")))
	}
	return requests, nil
}

// decide fills in what a rule matches and does, and tells whether it matches
// anything. "For Accept rules, fail closed means: treat the rule as matching no
// traffic. For Deny and Pass rules, fail closed means: treat the rule as a 'Deny
// all' rule."
func decide(spec *abi.RuleSpec, sets *kube.Sets, r rule) bool {
	if r.closed != "" {
		spec.Action, spec.AnyPeer = abi.Deny, true
		return r.action != abi.Allow
	}
	spec.Action, spec.Peers, spec.Ports = r.action, peerSets(sets, r.peers), r.ports
	return true
}

// peerSets names the sets that the peers of one rule stand for, sorted, as peers
// are ORed. The networks among them make one set.
func peerSets(sets *kube.Sets, peers []peer) []string {
	var names []string
	var blocks []kube.Block
	for _, p := range peers {
		switch {
		case p.pods != nil:
			names = append(names, sets.PodsOf(p.pods.namespace, p.pods.pod))
		case p.nodes != nil:
			names = append(names, sets.Nodes(*p.nodes))
		default:
			for _, network := range p.networks {
				blocks = append(blocks, kube.Block{CIDR: network})
			}
		}
	}
	if blocks != nil {
		names = append(names, sets.Addresses(blocks))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
