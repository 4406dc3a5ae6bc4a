package policy

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// inSets tells whether the Pod is in one of the named sets of Pods.
func inSets(view View, now *state, names []string, p inventory.PodView) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		set, _ := now.sets.Get(name)
		pods, is := set.Spec.(*abi.Pods)
		return is && selects(view, pods, p)
	})
}

// hasPeer tells whether the address is in one of the named sets.
func hasPeer(view View, now *state, names []string, addr netip.Addr) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		set, _ := now.sets.Get(name)
		switch spec := set.Spec.(type) {
		case *abi.Pods:
			p, isPod := view.Inventory.PodByAddr(addr)
			return isPod && selects(view, spec, p)
		case *abi.Addresses:
			return slices.ContainsFunc(spec.Blocks, func(b abi.Block) bool { return contains(b, addr) })
		case *abi.Nodes:
			for node := range view.Inventory.Nodes() {
				labelOf := func(key string) (string, bool) {
					value, there := node.Labels[key]
					return value, there
				}
				if slices.Contains(node.Addresses, addr) && matches(spec.Selector, labelOf) {
					return true
				}
			}
		}
		return false
	})
}

// selects: "the pods matching podSelector in the namespaces selected by
// namespaceSelector. Otherwise it selects the pods matching podSelector in the
// policy's own namespace" (networking.k8s.io/v1, NetworkPolicyPeer).
func selects(view View, spec *abi.Pods, p inventory.PodView) bool {
	return inScope(view, spec, p.Namespace()) && matches(spec.PodSelector, p.Label)
}

// inScope: the labels of a namespace can be tested only once it is known; its
// name is known from the Pod.
func inScope(view View, spec *abi.Pods, namespace string) bool {
	if slices.Contains(spec.Namespaces, namespace) {
		return true
	}
	if _, known := view.Inventory.NamespaceLabel(namespace, inventory.NamespaceNameLabel); !known || spec.NamespaceSelector == nil {
		return false
	}
	return matches(*spec.NamespaceSelector, func(key string) (string, bool) {
		return view.Inventory.NamespaceLabel(namespace, key)
	})
}

// matches: "The result of matchLabels and matchExpressions are ANDed. An empty
// label selector matches all objects." (metav1.LabelSelector). NotIn and
// DoesNotExist hold for objects without the key too
// (labels.Requirement.Matches).
func matches(s abi.Selector, labelOf func(key string) (string, bool)) bool {
	for _, r := range s.Requirements {
		value, present := labelOf(r.Key)
		var holds bool
		switch r.Operator {
		case abi.In:
			holds = present && slices.Contains(r.Values, value)
		case abi.NotIn:
			holds = !present || !slices.Contains(r.Values, value)
		case abi.Exists:
			holds = present
		case abi.DoesNotExist:
			holds = !present
		}
		if !holds {
			return false
		}
	}
	return true
}

// contains: "The except entry describes CIDRs that should not be included
// within this rule" (IPBlock). An address in an except is merely not in this
// block; another one may still hold it.
func contains(b abi.Block, addr netip.Addr) bool {
	return within(b.CIDR, addr) && !slices.ContainsFunc(b.Except, func(except string) bool { return within(except, addr) })
}

// within never matches an IPv6 address with an IPv4 CIDR, or the reverse.
func within(cidr string, addr netip.Addr) bool {
	prefix, err := netip.ParsePrefix(cidr)
	return err == nil && prefix.Contains(addr)
}

// Admits says whether a rule with these ports is about the packet: "If this
// field is empty or missing, this rule matches all ports (traffic not restricted
// by port). If this field is present and contains at least one item, then this
// rule allows traffic only if the traffic matches at least one port in the
// list." (NetworkPolicyIngressRule.ports). A packet of another protocol than the
// ports', an ICMP echo for instance, is not matched.
func Admits(view View, ports []abi.Port, packet Packet) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p abi.Port) bool { return admitsPort(view, p, packet) })
}

func admitsPort(view View, p abi.Port, packet Packet) bool {
	switch {
	case p.Protocol == abi.AnyProtocol:
		return true
	case p.Protocol != packet.Protocol:
		return false
	case p.ICMP != nil:
		return uint8(packet.Port>>8) == p.ICMP.Type && (p.ICMP.AnyCode || uint8(packet.Port) == p.ICMP.Code)
	case p.Protocol == abi.ICMP || p.Protocol == abi.ICMPv6:
		return true
	case p.Name != "":
		// "This can either be a numerical or named port on a pod": the one
		// that is connected to, whichever end the policy is about. Every
		// number that the Pod gives this name with this protocol counts; on
		// what is no Pod a name stands for nothing.
		destination, isPod := view.Inventory.PodByAddr(packet.Destination)
		return isPod && slices.Contains(destination.Ports(), inventory.NamedPort{Name: p.Name, Protocol: p.Protocol, Number: packet.Port})
	case p.First == 0 && p.Last == 0:
		return true
	}
	// "The range of ports from port to endPort if set, inclusive, should be
	// allowed by the policy" (NetworkPolicyPort.endPort).
	return p.First <= packet.Port && packet.Port <= p.Last
}
