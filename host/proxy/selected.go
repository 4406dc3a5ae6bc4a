package proxy

import (
	"net/netip"
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// selected finds endpoints by the selectors of Services, as the EndpointSlice
// controller does (k8s.io/endpointslice/utils.go), from Pods as people write
// them: a Pod whose status has no condition Ready is ready.
type selected struct {
	pods      map[string]map[string]*corev1.Pod // by namespace and name
	selecting map[string]map[string]*service    // the same
	nodes     map[string]*corev1.Node
	attached  map[objectName][]netip.Addr
}

func newSelected() *selected {
	return &selected{
		pods: map[string]map[string]*corev1.Pod{}, selecting: map[string]map[string]*service{},
		nodes: map[string]*corev1.Node{}, attached: map[objectName][]netip.Addr{},
	}
}

// remember takes in a Service. "If empty or not present, the service is assumed to
// have an external process managing its endpoints" (core/v1, ServiceSpec.selector).
func (x *selected) remember(s *service) {
	if s.left == "" && len(s.selector) > 0 {
		put(x.selecting, s.name, s)
	}
}

func (x *selected) forget(s *service) { remove(x.selecting, s.name) }

// services are all that have a selector.
func (x *selected) services() []objectName {
	var names []objectName
	for namespace, services := range x.selecting {
		for name := range services {
			names = append(names, objectName{namespace, name})
		}
	}
	return names
}

// putPod takes a Pod in, nil: it is gone, and says whose endpoint it was or is.
func (x *selected) putPod(name objectName, pod *corev1.Pod) []objectName {
	before := x.pods[name.namespace][name.name]
	if pod == nil {
		remove(x.pods, name)
	} else {
		put(x.pods, name, pod)
	}
	return x.selectors(name.namespace, before, pod)
}

// selectors are the Services that select one of the Pods.
func (x *selected) selectors(namespace string, pods ...*corev1.Pod) []objectName {
	var names []objectName
	for _, s := range x.selecting[namespace] {
		if slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p != nil && s.selects(p) }) {
			names = append(names, s.name)
		}
	}
	return names
}

func (s *service) selects(pod *corev1.Pod) bool {
	for key, value := range s.selector {
		if got, there := pod.Labels[key]; !there || got != value {
			return false
		}
	}
	return true
}

// putNode takes a Node in, nil: it is gone. It says whether endpoints may change.
func (x *selected) putNode(name string, node *corev1.Node) bool {
	before := x.nodes[name]
	if node == nil {
		delete(x.nodes, name)
		return before != nil
	}
	x.nodes[name] = node
	return before == nil || before.Labels[corev1.LabelTopologyZone] != node.Labels[corev1.LabelTopologyZone] ||
		!slices.Equal(nodeAddresses(before), nodeAddresses(node))
}

// candidates are the Pods that a Service selects, in no order.
func (x *selected) candidates(s *service, p *servicePort, v6 bool) []candidate {
	if len(s.selector) == 0 {
		return nil
	}
	var all []candidate
	for _, pod := range x.pods[s.name.namespace] {
		if !s.selects(pod) || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		ip, ok := x.addressOf(pod, v6)
		if !ok {
			continue
		}
		number, ok := targetPort(pod, p)
		if !ok {
			continue
		}
		e := endpoint{ip: ip, node: unique.Make(pod.Spec.NodeName), serving: isReady(pod), terminating: pod.DeletionTimestamp != nil}
		e.ready = s.publishNotReady || e.serving && !e.terminating
		e.hints = x.hintsFor(s, pod, &e)
		all = append(all, candidate{netip.AddrPortFrom(ip, number), e})
	}
	// Of two Pods with one address the order must not depend on that of a map.
	slices.SortFunc(all, func(a, b candidate) int { return compareStates(&a.endpoint, &b.endpoint) })
	return all
}

// compareStates puts those that are more of use last.
func compareStates(a, b *endpoint) int {
	rank := func(e *endpoint) (n int) {
		for i, is := range []bool{e.serving, e.ready, !e.terminating} {
			if is {
				n |= 1 << i
			}
		}
		return n
	}
	return rank(a) - rank(b)
}

// addressOf is the Pod's address of a family: what CNI gave it on this node,
// else what its status says, else, on the host network, its node's.
func (x *selected) addressOf(pod *corev1.Pod, v6 bool) (netip.Addr, bool) {
	addresses := x.attached[objectName{pod.Namespace, pod.Name}]
	if len(addresses) == 0 {
		for _, ip := range pod.Status.PodIPs {
			if a, ok := parseAddress(ip.IP); ok {
				addresses = append(addresses, a)
			}
		}
	}
	if len(addresses) == 0 && pod.Spec.HostNetwork {
		if node := x.nodes[pod.Spec.NodeName]; node != nil {
			addresses = nodeAddresses(node)
		}
	}
	i := slices.IndexFunc(addresses, func(a netip.Addr) bool { return a.Is6() == v6 })
	if i < 0 {
		return netip.Addr{}, false
	}
	return addresses[i], true
}

func nodeAddresses(node *corev1.Node) []netip.Addr {
	var out []netip.Addr
	for _, address := range node.Status.Addresses {
		if address.Type != corev1.NodeInternalIP {
			continue
		}
		if a, ok := parseAddress(address.Address); ok {
			out = append(out, a)
		}
	}
	return out
}

// targetPort is the number that the Service's port leads to in a Pod. A Pod that
// does not have the name is no endpoint of the port.
func targetPort(pod *corev1.Pod, p *servicePort) (uint16, bool) {
	if p.target.Type == intstr.Int {
		number := p.target.IntVal
		if number == 0 {
			return p.number, true // "If this is not specified, the value of the 'port' field is used"
		}
		return uint16(number), number > 0 && number <= 65535
	}
	for i := range pod.Spec.Containers {
		if number, ok := namedPort(pod.Spec.Containers[i].Ports, p); ok {
			return number, true
		}
	}
	for i := range pod.Spec.InitContainers {
		// A sidecar is an init container that is restarted always.
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			continue
		}
		if number, ok := namedPort(c.Ports, p); ok {
			return number, true
		}
	}
	return 0, false
}

func namedPort(ports []corev1.ContainerPort, p *servicePort) (uint16, bool) {
	for _, port := range ports {
		if protocol, known := parseProtocol(port.Protocol); known && protocol == p.protocol && port.Name == p.target.StrVal {
			return uint16(port.ContainerPort), true
		}
	}
	return 0, false
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return true
}

// hintsFor are what the controller writes for spec.trafficDistribution: every
// ready endpoint is meant for its own zone, and for its node if that is asked for
// (k8s.io/endpointslice/trafficdist).
func (x *selected) hintsFor(s *service, pod *corev1.Pod, e *endpoint) *hints {
	if s.distribution == "" || !e.ready {
		return nil
	}
	h := &hints{}
	if node := x.nodes[pod.Spec.NodeName]; node != nil && node.Labels[corev1.LabelTopologyZone] != "" {
		h.zones = append(h.zones, unique.Make(node.Labels[corev1.LabelTopologyZone]))
	}
	if s.distribution == corev1.ServiceTrafficDistributionPreferSameNode && pod.Spec.NodeName != "" {
		h.nodes = append(h.nodes, e.node)
	}
	return h
}

// Attach tells the addresses that CNI gave a Pod of this node, which its object
// may not have yet; none: it has gone. It matters only for endpoints from Pods.
func (m *Model) Attach(namespace, name string, addresses []netip.Addr) {
	if m.selected == nil {
		return
	}
	key := objectName{namespace, name}
	if len(addresses) == 0 {
		delete(m.selected.attached, key)
	} else {
		m.selected.attached[key] = addresses
	}
	m.touch(m.selected.selectors(namespace, m.selected.pods[namespace][name])...)
}

func put[T any](all map[string]map[string]T, name objectName, value T) {
	if all[name.namespace] == nil {
		all[name.namespace] = map[string]T{}
	}
	all[name.namespace][name.name] = value
}

func remove[T any](all map[string]map[string]T, name objectName) {
	delete(all[name.namespace], name.name)
	if len(all[name.namespace]) == 0 {
		delete(all, name.namespace)
	}
}
