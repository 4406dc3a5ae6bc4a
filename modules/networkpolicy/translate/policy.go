package translate

import (
	"slices"
	"strconv"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// Resource is the resource that Policy reads objects of.
const Resource = "networkpolicies.networking.k8s.io"

// Policy translates the NetworkPolicy namespace/name, given as JSON. The
// requests are in an order in which each set comes before what names it, and
// equal objects give equal requests. The error is a *kube.FieldError.
//
// An author who says "this source, on these ports" gets one rule named
// "<namespace>/<name>/ingress[2]" after its place in the object; the Pods that a
// policy selects are isolated under "<namespace>/<name>/ingress". Identical
// rules are not merged, so that every one can be pointed at.
func Policy(namespace, name string, json []byte) ([]abi.Request, error) {
	if err := kube.CheckNamespace(namespace); err != nil {
		return nil, err
	}
	policy, err := read(json)
	if err != nil {
		return nil, err
	}
	var sets kube.Sets
	subjects := []string{sets.PodsIn(namespace, policy.subjects)}
	var decisions []abi.Request
	for _, half := range []struct {
		direction abi.Direction
		word      string
		rules     []rule
	}{{abi.Ingress, "ingress", policy.ingress}, {abi.Egress, "egress", policy.egress}} {
		if !policy.isolates(half.direction) {
			continue // "rules for a type that is not listed are ignored"
		}
		origin := abi.Origin{Resource: Resource, Namespace: namespace, Name: name, Rule: half.word}
		path := namespace + "/" + name + "/"
		for i, rule := range half.rules {
			at := origin
			at.Rule += "[" + strconv.Itoa(i) + "]"
			decisions = append(decisions, &abi.PutRule{Name: kube.Name(path + at.Rule), Spec: abi.RuleSpec{
				Tier:      abi.Network,
				Direction: half.direction,
				Subjects:  subjects,
				Peers:     peerSets(&sets, namespace, rule.peers),
				AnyPeer:   len(rule.peers) == 0,
				Ports:     rule.ports,
				Action:    abi.Allow,
				Origin:    at,
			}})
		}
		decisions = append(decisions, &abi.PutIsolation{Name: kube.Name(path + half.word), Spec: abi.IsolationSpec{
			Tier:      abi.Network,
			Direction: half.direction,
			Subjects:  subjects,
			Origin:    origin,
		}})
	}
	return append(sets.Requests(), decisions...), nil
}

// peerSets names the sets that the peers of one rule stand for, sorted, as peers
// are ORed. The blocks among them make one set.
func peerSets(sets *kube.Sets, namespace string, peers []peer) []string {
	var names []string
	var blocks []kube.Block
	for _, p := range peers {
		switch {
		case p.block != nil:
			blocks = append(blocks, *p.block)
		case p.namespaces == nil:
			// "If only podSelector is set, it selects the Pods matching
			// PodSelector in the policy's own namespace."
			names = append(names, sets.PodsIn(namespace, *p.pods))
		case p.pods == nil:
			names = append(names, sets.PodsOf(*p.namespaces, abi.Selector{}))
		default:
			names = append(names, sets.PodsOf(*p.namespaces, *p.pods))
		}
	}
	if blocks != nil {
		names = append(names, sets.Addresses(blocks))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
