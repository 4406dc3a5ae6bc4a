package oracle

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Cluster is the objects that decide.
type Cluster struct {
	Namespaces []*corev1.Namespace
	Nodes      []*corev1.Node
	Pods       []*corev1.Pod
	Policies   []*networkingv1.NetworkPolicy
}

// Connection is the first packet of one. Protocol may be one that a
// NetworkPolicy cannot name, such as "ICMP".
type Connection struct {
	Source, Destination netip.Addr
	Protocol            corev1.Protocol
	Port                int32
}

// Answer is what the policies say at either end.
type Answer struct{ Egress, Ingress bool }

// Allowed is both.
func (a Answer) Allowed() bool { return a.Egress && a.Ingress }

// Judge answers. It panics on a policy that the API server would refuse.
func (c *Cluster) Judge(conn Connection) Answer {
	source, destination := c.podAt(conn.Source), c.podAt(conn.Destination)
	// "a pod cannot block access to itself"
	if source != nil && source == destination && conn.Source == conn.Destination {
		return Answer{Egress: true, Ingress: true}
	}
	answer := Answer{Egress: true, Ingress: true}
	if source != nil {
		answer.Egress = c.egressAllowed(source, conn)
	}
	if destination != nil {
		answer.Ingress = c.ingressAllowed(destination, conn)
	}
	return answer
}

// "Traffic is allowed to a pod if there are no NetworkPolicies selecting the
// pod (and cluster policy otherwise allows the traffic), OR if the traffic
// source is the pod's local node, OR if the traffic matches at least one
// ingress rule across all of the NetworkPolicy objects whose podSelector
// matches the pod."
func (c *Cluster) ingressAllowed(pod *corev1.Pod, conn Connection) bool {
	selected := false
	for _, policy := range c.Policies {
		if !affects(policy, networkingv1.PolicyTypeIngress) || !selectsPod(policy, pod) {
			continue
		}
		selected = true
		for _, rule := range policy.Spec.Ingress {
			// "The traffic must match both ports and from."
			if c.anyPeer(policy, rule.From, conn.Source) && c.anyPort(rule.Ports, conn) {
				return true
			}
		}
	}
	return !selected || c.isLocalNode(pod, conn.Source)
}

// "Outgoing traffic is allowed if there are no NetworkPolicies selecting the
// pod (and cluster policy otherwise allows the traffic), OR if the traffic
// matches at least one egress rule across all of the NetworkPolicy objects
// whose podSelector matches the pod."
func (c *Cluster) egressAllowed(pod *corev1.Pod, conn Connection) bool {
	selected := false
	for _, policy := range c.Policies {
		if !affects(policy, networkingv1.PolicyTypeEgress) || !selectsPod(policy, pod) {
			continue
		}
		selected = true
		for _, rule := range policy.Spec.Egress {
			if c.anyPeer(policy, rule.To, conn.Destination) && c.anyPort(rule.Ports, conn) {
				return true
			}
		}
	}
	return !selected
}

// "If this field is not specified, it will default based on the existence of
// ingress or egress rules; policies that contain an egress section are assumed
// to affect egress, and all policies (whether or not they contain an ingress
// section) are assumed to affect ingress." The API server writes the default
// into the object, and counts an empty egress list as none.
func affects(policy *networkingv1.NetworkPolicy, kind networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return kind == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	return slices.Contains(policy.Spec.PolicyTypes, kind)
}

// "podSelector selects the pods to which this NetworkPolicy object applies.
// [...] An empty selector matches all pods in the policy's namespace."
func selectsPod(policy *networkingv1.NetworkPolicy, pod *corev1.Pod) bool {
	return pod.Namespace == policy.Namespace && matches(&policy.Spec.PodSelector, pod.Labels)
}

// "If this field is empty or missing, this rule matches all sources [...]. If
// this field is present and contains at least one item, this rule allows
// traffic only if the traffic matches at least one item in the from list."
func (c *Cluster) anyPeer(policy *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, addr netip.Addr) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		if peer.IPBlock != nil {
			return inBlock(peer.IPBlock, addr)
		}
		pod := c.podAt(addr)
		return pod != nil && c.isPeer(policy, peer, pod)
	})
}

func (c *Cluster) isPeer(policy *networkingv1.NetworkPolicy, peer networkingv1.NetworkPolicyPeer, pod *corev1.Pod) bool {
	// "Otherwise it selects the pods matching podSelector in the policy's own
	// namespace."
	if peer.NamespaceSelector == nil {
		return pod.Namespace == policy.Namespace && matches(peer.PodSelector, pod.Labels)
	}
	// "Otherwise it selects all pods in the namespaces selected by
	// namespaceSelector."
	if peer.PodSelector != nil && !matches(peer.PodSelector, pod.Labels) {
		return false
	}
	for _, ns := range c.Namespaces {
		if ns.Name == pod.Namespace {
			return matches(peer.NamespaceSelector, labels.Merge(ns.Labels, labels.Set{corev1.LabelMetadataName: ns.Name}))
		}
	}
	return false // no such namespace yet: it has no labels to select it by
}

// "The except entry describes CIDRs that should not be included within this
// rule."
func inBlock(block *networkingv1.IPBlock, addr netip.Addr) bool {
	return netip.MustParsePrefix(block.CIDR).Contains(addr) &&
		!slices.ContainsFunc(block.Except, func(except string) bool { return netip.MustParsePrefix(except).Contains(addr) })
}

// "If this field is empty or missing, this rule matches all ports (traffic not
// restricted by port). If this field is present and contains at least one item,
// then this rule allows traffic only if the traffic matches at least one port
// in the list."
func (c *Cluster) anyPort(ports []networkingv1.NetworkPolicyPort, conn Connection) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool {
		// "If not specified, this field defaults to TCP."
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		switch {
		case protocol != conn.Protocol:
			return false
		case port.Port == nil:
			// "If this field is not provided, this matches all port names and
			// numbers."
			return true
		case port.Port.Type == intstr.String:
			return namesPort(c.podAt(conn.Destination), port.Port.StrVal, protocol, conn.Port)
		case port.EndPort != nil:
			// "the range of ports from port to endPort if set, inclusive"
			return port.Port.IntVal <= conn.Port && conn.Port <= *port.EndPort
		}
		return port.Port.IntVal == conn.Port
	})
}

// namesPort: "This can either be a numerical or named port on a pod." Init
// containers that go on running (restartPolicy Always) are containers of the
// Pod too.
func namesPort(pod *corev1.Pod, name string, protocol corev1.Protocol, number int32) bool {
	if pod == nil {
		return false
	}
	containers := slices.Clone(pod.Spec.Containers)
	for _, init := range pod.Spec.InitContainers {
		if init.RestartPolicy != nil && *init.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, init)
		}
	}
	for _, container := range containers {
		for _, port := range container.Ports {
			portProtocol := port.Protocol
			if portProtocol == "" {
				portProtocol = corev1.ProtocolTCP
			}
			if port.Name == name && portProtocol == protocol && port.ContainerPort == number {
				return true
			}
		}
	}
	return false
}

// podAt is the Pod of the Pod network that has the address now.
func (c *Cluster) podAt(addr netip.Addr) *corev1.Pod {
	for _, pod := range c.Pods {
		if pod.Spec.HostNetwork || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, ip := range pod.Status.PodIPs {
			if netip.MustParseAddr(ip.IP) == addr {
				return pod
			}
		}
	}
	return nil
}

func (c *Cluster) isLocalNode(pod *corev1.Pod, addr netip.Addr) bool {
	for _, node := range c.Nodes {
		if node.Name != pod.Spec.NodeName {
			continue
		}
		for _, a := range node.Status.Addresses {
			if a.Type != corev1.NodeHostName && netip.MustParseAddr(a.Address) == addr {
				return true
			}
		}
	}
	return false
}

func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		panic(fmt.Sprintf("selector %v: %v", selector, err))
	}
	return s.Matches(set)
}
