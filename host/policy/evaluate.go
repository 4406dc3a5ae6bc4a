package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// Evaluate says what becomes of the first packet of a connection. It is the
// meaning of layers: it looks at labels and addresses one by one, and takes
// as long as that takes. What makes flows must agree with it.
func Evaluate(view View, packet Packet) Verdict {
	packet.Source, packet.Destination = plain(packet.Source), plain(packet.Destination)

	// "Other pods that are allowed (exception: a pod cannot block access to
	// itself)" (kubernetes.io, Network Policies).
	if _, isPod := view.Inventory.PodByAddr(packet.Source); isPod && packet.Source == packet.Destination && !packet.ThroughService {
		itself := Decision{Verdict: abi.Allow, Reason: "the Pod itself"}
		return Verdict{Allowed: true, Egress: itself, Ingress: itself}
	}
	// "For a connection from a source pod to a destination pod to be allowed,
	// both the egress policy on the source pod and the ingress policy on the
	// destination pod need to allow the connection" (kubernetes.io, Network
	// Policies).
	v := Verdict{
		Egress:  judge(view, packet, abi.Egress, packet.Source, packet.Destination),
		Ingress: judge(view, packet, abi.Ingress, packet.Destination, packet.Source),
	}
	v.Allowed = v.Egress.Verdict == abi.Allow && v.Ingress.Verdict == abi.Allow
	return v
}

// judge decides one direction, seen from the subject.
func judge(view View, packet Packet, direction abi.Direction, subjectAddr, peerAddr netip.Addr) Decision {
	// Only Pods of the cluster network are subjects: the address of a
	// hostNetwork Pod is its node's, and no Pod's.
	subject, isPod := view.Inventory.PodByAddr(subjectAddr)
	if !isPod {
		return Decision{Verdict: abi.Allow, Reason: "not a Pod of the cluster network"}
	}
	// "Traffic is allowed to a pod [...] if the traffic source is the pod's
	// local node" (networking.k8s.io/v1, NetworkPolicySpec.ingress).
	if direction == abi.Ingress && isOwnNode(view, subject, peerAddr) {
		return Decision{Verdict: abi.Allow, Reason: "the Pod's own node"}
	}
	for tier := abi.Admin; tier <= abi.Baseline; tier++ {
		// Through a Service a Pod may meet itself, which cluster policy may forbid
		// and NetworkPolicy may not (SEMANTICS 19).
		if tier == abi.Network && packet.Source == packet.Destination {
			continue
		}
		rule := decisive(view, packet, tier, direction, subject, peerAddr)
		switch {
		case rule != nil && rule.Spec.Action == abi.Pass:
			continue // Pass leaves the tier: nothing else in it is asked, isolation neither.
		case rule != nil:
			return Decision{
				Verdict: rule.Spec.Action, Tier: tier, Module: rule.Module, Name: rule.Name,
				Origin: rule.Spec.Origin, Reason: "rule " + ActionName(rule.Spec.Action) + "s",
			}
		}
		// "If this field is empty then this NetworkPolicy does not allow any
		// traffic (and serves solely to ensure that the pods it selects are
		// isolated by default)" (NetworkPolicySpec.ingress, .egress).
		if isolations := isolating(view, tier, direction, subject); len(isolations) > 0 {
			return Decision{
				Verdict: abi.Deny, Tier: tier, Module: isolations[0].Module, Name: isolations[0].Name,
				Origin: isolations[0].Spec.Origin, Reason: "isolated, and no rule allows", Isolations: isolations,
			}
		}
	}
	// "Traffic is allowed to a pod if there are no NetworkPolicies selecting
	// the pod (and cluster policy otherwise allows the traffic)".
	return Decision{Verdict: abi.Allow, Reason: "nothing denies"}
}

// decisive is the rule of the tier that decides: the first module, in the
// operator's order, that has a matching rule, and of its matching rules the
// one with the highest priority. Nil: no rule of the tier matches.
func decisive(view View, packet Packet, tier abi.Tier, direction abi.Direction, subject inventory.PodView, peer netip.Addr) *Rule {
	var best *Rule
	for _, layer := range view.Layers {
		now := layer.now.Load()
		for _, rule := range now.rules.All() {
			spec := &rule.Spec
			if spec.Tier == tier && spec.Direction == direction && (best == nil || Precedes(&rule, best)) &&
				inSets(view, now, spec.Subjects, subject) &&
				(spec.AnyPeer || hasPeer(view, now, spec.Peers, peer)) &&
				Admits(view, spec.Ports, packet) {
				best = &rule
			}
		}
	}
	return best
}

// Precedes orders the rules of a tier as they are asked. Of rules with one
// priority Deny is asked before Reject before Pass before Allow, so that a
// union of allows stays a union, and what forbids wins. The names make the
// answer the same every time.
func Precedes(a, b *Rule) bool {
	return cmp.Or(
		cmp.Compare(a.Order, b.Order),
		cmp.Compare(a.Module, b.Module),
		-cmp.Compare(a.Spec.Priority, b.Spec.Priority),
		cmp.Compare(mildness(a.Spec.Action), mildness(b.Spec.Action)),
		cmp.Compare(a.Name, b.Name),
	) < 0
}

func mildness(a abi.Action) int {
	return slices.Index([]abi.Action{abi.Deny, abi.Reject, abi.Pass, abi.Allow}, a)
}

// isolating lists the isolations of the subject, of whichever module.
func isolating(view View, tier abi.Tier, direction abi.Direction, subject inventory.PodView) []Isolation {
	var found []Isolation
	for _, layer := range view.Layers {
		now := layer.now.Load()
		for _, isolation := range now.isolations.All() {
			if isolation.Spec.Tier == tier && isolation.Spec.Direction == direction && inSets(view, now, isolation.Spec.Subjects, subject) {
				found = append(found, isolation)
			}
		}
	}
	slices.SortFunc(found, func(a, b Isolation) int { return a.Key.Compare(b.Key) })
	return found
}

// isOwnNode tells whether the address is one of the node that the Pod runs on,
// of whichever family. What the node forwards for others has their address.
func isOwnNode(view View, p inventory.PodView, addr netip.Addr) bool {
	node, known := view.Inventory.Node(p.Node())
	return known && slices.Contains(node.Addresses, addr)
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
