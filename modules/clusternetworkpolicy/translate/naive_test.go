package translate

import (
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/meaning"
)

// The naive reading of ClusterNetworkPolicies: the typed objects, apimachinery's
// own selectors, and the sentences of the API one after the other. It shares
// nothing with the code under test.

// naive gives the actions that may decide a connection in a tier and direction:
// none if no policy does, several if policies of equal priority differ.
func naive(w *meaning.World, policies []*v1alpha2.ClusterNetworkPolicy, tier v1alpha2.Tier, direction abi.Direction, c meaning.Connection) []v1alpha2.ClusterNetworkPolicyRuleAction {
	policies = slices.Clone(policies)
	slices.SortFunc(policies, func(a, b *v1alpha2.ClusterNetworkPolicy) int { return int(a.Spec.Priority - b.Spec.Priority) })
	var may []v1alpha2.ClusterNetworkPolicyRuleAction
	for i, policy := range policies {
		if may != nil && policies[i-1].Spec.Priority != policy.Spec.Priority {
			break
		}
		if action := firstMatch(w, policy, direction, c); policy.Spec.Tier == tier && action != "" {
			may = append(may, action)
		}
	}
	return may
}

func firstMatch(w *meaning.World, policy *v1alpha2.ClusterNetworkPolicy, direction abi.Direction, c meaning.Connection) v1alpha2.ClusterNetworkPolicyRuleAction {
	subject, _ := c.Sides(direction)
	if s := policy.Spec.Subject; !podsMatch(w, s.Namespaces, s.Pods, subject) {
		return ""
	}
	if direction == abi.Ingress {
		for _, rule := range policy.Spec.Ingress {
			for _, from := range rule.From {
				if podsMatch(w, from.Namespaces, from.Pods, c.Source) && protocolsMatch(rule.Protocols, c) {
					return rule.Action
				}
			}
		}
		return ""
	}
	for _, rule := range policy.Spec.Egress {
		for _, to := range rule.To {
			match := podsMatch(w, to.Namespaces, to.Pods, c.Destination)
			match = match || to.Nodes != nil && c.Destination.Node != "" && selects(to.Nodes, c.Destination.Labels)
			for _, network := range to.Networks {
				match = match || netip.MustParsePrefix(string(network)).Contains(c.Destination.Addr)
			}
			if match && protocolsMatch(rule.Protocols, c) {
				return rule.Action
			}
		}
	}
	return ""
}

func podsMatch(w *meaning.World, namespaces *metav1.LabelSelector, pods *v1alpha2.NamespacedPod, e *meaning.End) bool {
	switch {
	case e.Pod == "":
		return false
	case namespaces != nil:
		return selects(namespaces, w.Namespaces[e.Namespace])
	case pods != nil:
		return selects(&pods.NamespaceSelector, w.Namespaces[e.Namespace]) && selects(&pods.PodSelector, e.Labels)
	}
	return false
}

func protocolsMatch(protocols []v1alpha2.ClusterNetworkPolicyProtocol, c meaning.Connection) bool {
	for _, p := range protocols {
		switch {
		case p.TCP != nil && c.Protocol == abi.TCP && portMatches(p.TCP.DestinationPort, c),
			p.UDP != nil && c.Protocol == abi.UDP && portMatches(p.UDP.DestinationPort, c),
			p.SCTP != nil && c.Protocol == abi.SCTP && portMatches(p.SCTP.DestinationPort, c):
			return true
		case p.DestinationNamedPort != "":
			for _, named := range c.Destination.Ports {
				if named.Name == p.DestinationNamedPort && named.Protocol == c.Protocol && named.Number == c.Port {
					return true
				}
			}
		}
	}
	return len(protocols) == 0
}

func portMatches(port *v1alpha2.Port, c meaning.Connection) bool {
	if port.Range != nil {
		return port.Range.Start <= int32(c.Port) && int32(c.Port) <= port.Range.End
	}
	return port.Number == int32(c.Port)
}

func selects(selector *metav1.LabelSelector, set map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		panic(err)
	}
	return s.Matches(labels.Set(set))
}
