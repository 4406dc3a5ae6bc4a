package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Plan says which nodes a lab has and which addresses everything in it gets.
// It is a function of the manifests alone, so whoever judges the same manifests
// without a lab can speak of the same addresses.
//
// Nodes are numbered from 0 in the order of their names. Node n has
//
//	192.168.100.(n+2), fd00:192:168:100::(n+2)   its own addresses
//	10.1.n.0/24, fd00:10:1:n::/64                its Pods; the first address is the gateway's
//
// and its Pods get addresses from the second on, in the order of
// namespace/name, unless status.podIPs names some: then the Pod has these and
// no others. The external host is 203.0.113.10 and 2001:db8:113::10.
type Plan struct {
	Nodes    []NodePlan
	Pods     []PodPlan     // in the order of namespace/name; Pods that have ended are left out
	Services []ServicePlan // in the order of namespace/name
	External []netip.Addr
	// Notes say what of the manifests could not be honoured.
	Notes []string
}

// NodePlan is one node.
type NodePlan struct {
	Name       string         `json:"name"`
	Addresses  []netip.Addr   `json:"addresses"`  // IPv4, then IPv6
	PodSubnets []netip.Prefix `json:"podSubnets"` // IPv4, then IPv6
}

// PodPlan is one Pod that runs.
type PodPlan struct {
	Namespace, Name string
	Node            string
	HostNetwork     bool
	Addresses       []netip.Addr // IPv4 before IPv6; of a hostNetwork Pod the node's
	Ports           []Port       // every declared container port, once per protocol and number
}

// Key is namespace/name.
func (p PodPlan) Key() string { return p.Namespace + "/" + p.Name }

// Port is a port of one transport protocol: "TCP", "UDP" or "SCTP".
type Port struct {
	Protocol string `json:"protocol"`
	Number   uint16 `json:"port"`
}

// DefaultNode is the name of the node of Pods without spec.nodeName when no
// Pod has one.
const DefaultNode = "node1"

const maxNodes = 250

// NewPlan makes the plan. Pods without spec.nodeName run on the first node.
// Too many nodes, and an address that two running Pods claim, are errors.
func NewPlan(objects *Objects) (*Plan, error) {
	plan := &Plan{External: []netip.Addr{externalV4.Addr(), externalV6.Addr()}}
	running := make([]*corev1.Pod, 0, len(objects.Pods))
	for _, pod := range objects.Pods {
		if hasEnded(pod) {
			plan.note("pod %s is %s: it has no part in the lab", podKey(pod), pod.Status.Phase)
			continue
		}
		running = append(running, pod)
	}
	if err := plan.placeNodes(running); err != nil {
		return nil, err
	}
	for _, pod := range running {
		plan.Pods = append(plan.Pods, PodPlan{
			Namespace:   pod.Namespace,
			Name:        pod.Name,
			Node:        plan.nodeOf(pod),
			HostNetwork: pod.Spec.HostNetwork,
			Ports:       containerPorts(pod),
		})
	}
	if err := plan.allot(running); err != nil {
		return nil, err
	}
	plan.planServices(objects.Services)
	return plan, nil
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// hasEnded: a Pod in these phases has given its address back (Kubernetes,
// "Pod Lifecycle": all containers have terminated and will not be restarted).
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func (p *Plan) placeNodes(pods []*corev1.Pod) error {
	var names []string
	for _, pod := range pods {
		if name := pod.Spec.NodeName; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{DefaultNode}
	}
	if len(names) > maxNodes {
		return fmt.Errorf("the Pods name %d nodes in spec.nodeName; a lab has room for %d", len(names), maxNodes)
	}
	slices.Sort(names)
	for n, name := range names {
		p.Nodes = append(p.Nodes, NodePlan{
			Name:       name,
			Addresses:  []netip.Addr{nodeAddress(transitV4, n), nodeAddress(transitV6, n)},
			PodSubnets: []netip.Prefix{podSubnetV4(n), podSubnetV6(n)},
		})
	}
	return nil
}

func (p *Plan) nodeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return pod.Spec.NodeName
	}
	return p.Nodes[0].Name
}

// Node finds a node by its name.
func (p *Plan) Node(name string) (NodePlan, bool) {
	i := slices.IndexFunc(p.Nodes, func(n NodePlan) bool { return n.Name == name })
	if i < 0 {
		return NodePlan{}, false
	}
	return p.Nodes[i], true
}

// containerPorts lists what a Pod serves: the ports of its containers and of
// its sidecars, which are the init containers that restart always. Other init
// containers are gone when the Pod runs.
func containerPorts(pod *corev1.Pod) []Port {
	var ports []Port
	add := func(container corev1.Container) {
		for _, declared := range container.Ports {
			port := Port{Protocol: string(declared.Protocol), Number: uint16(declared.ContainerPort)}
			if port.Protocol == "" {
				port.Protocol = "TCP" // ContainerPort.Protocol: "Defaults to TCP"
			}
			if !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	for _, container := range pod.Spec.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(container)
		}
	}
	for _, container := range pod.Spec.Containers {
		add(container)
	}
	slices.SortFunc(ports, comparePorts)
	return ports
}

func comparePorts(a, b Port) int {
	if a.Number != b.Number {
		return int(a.Number) - int(b.Number)
	}
	return strings.Compare(a.Protocol, b.Protocol)
}
