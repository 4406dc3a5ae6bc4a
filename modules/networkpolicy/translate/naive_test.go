package translate

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/meaning"
)

// The naive reading of a NetworkPolicy: the typed object, apimachinery's own
// selectors, and the sentences of the API one after the other. It shares nothing
// with the code under test.

// naive says what a policy says of a connection in one direction: whether its
// subject is isolated, and whether the policy allows it.
func naive(w *meaning.World, policy *networkingv1.NetworkPolicy, direction abi.Direction, c meaning.Connection) (isolated, allowed bool) {
	subject, far := c.Sides(direction)
	wanted := networkingv1.PolicyTypeEgress
	if direction == abi.Ingress {
		wanted = networkingv1.PolicyTypeIngress
	}
	types := policy.Spec.PolicyTypes
	if len(types) == 0 {
		types = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(policy.Spec.Egress) > 0 {
			types = append(types, networkingv1.PolicyTypeEgress)
		}
	}
	listed := false
	for _, t := range types {
		listed = listed || t == wanted
	}
	if !listed || subject.Pod == "" || subject.Namespace != policy.Namespace || !selects(&policy.Spec.PodSelector, subject.Labels) {
		return false, false
	}
	if direction == abi.Ingress {
		for _, rule := range policy.Spec.Ingress {
			allowed = allowed || anyPeer(w, policy, rule.From, far) && anyPort(rule.Ports, c)
		}
	} else {
		for _, rule := range policy.Spec.Egress {
			allowed = allowed || anyPeer(w, policy, rule.To, far) && anyPort(rule.Ports, c)
		}
	}
	return true, allowed
}

func anyPeer(w *meaning.World, policy *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, far *meaning.End) bool {
	for _, peer := range peers {
		switch {
		case peer.IPBlock != nil:
			in := netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(far.Addr)
			for _, except := range peer.IPBlock.Except {
				in = in && !netip.MustParsePrefix(except).Contains(far.Addr)
			}
			if in {
				return true
			}
		case far.Pod == "":
		case peer.NamespaceSelector == nil && far.Namespace != policy.Namespace:
		case peer.NamespaceSelector != nil && !selects(peer.NamespaceSelector, w.Namespaces[far.Namespace]):
		case peer.PodSelector != nil && !selects(peer.PodSelector, far.Labels):
		default:
			return true
		}
	}
	return len(peers) == 0
}

var numbers = map[corev1.Protocol]abi.Protocol{corev1.ProtocolTCP: abi.TCP, corev1.ProtocolUDP: abi.UDP, corev1.ProtocolSCTP: abi.SCTP}

func anyPort(ports []networkingv1.NetworkPolicyPort, c meaning.Connection) bool {
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		switch {
		case numbers[protocol] != c.Protocol:
		case port.Port == nil:
			return true
		case port.Port.Type == intstr.String:
			for _, named := range c.Destination.Ports {
				if named.Name == port.Port.StrVal && named.Protocol == c.Protocol && named.Number == c.Port {
					return true
				}
			}
		case port.EndPort == nil && int32(c.Port) == port.Port.IntVal:
			return true
		case port.EndPort != nil && int32(c.Port) >= port.Port.IntVal && int32(c.Port) <= *port.EndPort:
			return true
		}
	}
	return len(ports) == 0
}

func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		panic(err)
	}
	return s.Matches(set)
}
