package cluster

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// Learn hands one object to an inventory. Policy objects are no concern of it:
// they go to the modules.
func Learn(inv *inventory.Inventory, event Event) {
	switch event.Resource {
	case Pods:
		if pod, ok := event.Pod(); ok {
			inv.PutPod(podOf(pod))
		} else {
			inv.DeletePod(event.Namespace, event.Name)
		}
	case Namespaces:
		if ns, ok := event.Object.(*corev1.Namespace); ok {
			inv.PutNamespace(inventory.Namespace{Name: ns.Name, Labels: ns.Labels})
		} else {
			inv.DeleteNamespace(event.Name)
		}
	case Nodes:
		if node, ok := event.Object.(*corev1.Node); ok {
			inv.PutNode(nodeOf(node))
		} else {
			inv.DeleteNode(event.Name)
		}
	}
}

func podOf(pod *corev1.Pod) inventory.Pod {
	p := inventory.Pod{
		Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Labels: pod.Labels,
		Node: pod.Spec.NodeName, HostNetwork: pod.Spec.HostNetwork,
		Finished: pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed,
	}
	for _, ip := range pod.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			p.Addresses = append(p.Addresses, a)
		}
	}
	if len(p.Addresses) == 0 {
		if a, err := netip.ParseAddr(pod.Status.PodIP); err == nil {
			p.Addresses = append(p.Addresses, a)
		}
	}
	for i := range pod.Spec.Containers {
		p.Ports = appendPorts(p.Ports, pod.Spec.Containers[i].Ports)
	}
	for i := range pod.Spec.InitContainers {
		// A sidecar is an init container that is restarted always; other init
		// containers end before the Pod serves (SEMANTICS 11).
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.Ports = appendPorts(p.Ports, c.Ports)
		}
	}
	return p
}

func appendPorts(to []inventory.NamedPort, ports []corev1.ContainerPort) []inventory.NamedPort {
	for _, port := range ports {
		if port.Name == "" {
			continue
		}
		to = append(to, inventory.NamedPort{
			Name: port.Name, Protocol: protocolOf(port.Protocol), Number: uint16(port.ContainerPort),
		})
	}
	return to
}

func protocolOf(p corev1.Protocol) abi.Protocol {
	switch p {
	case corev1.ProtocolUDP:
		return abi.UDP
	case corev1.ProtocolSCTP:
		return abi.SCTP
	default:
		return abi.TCP
	}
}

func nodeOf(node *corev1.Node) inventory.Node {
	n := inventory.Node{Name: node.Name, Labels: node.Labels}
	for _, address := range node.Status.Addresses {
		if a, err := netip.ParseAddr(address.Address); err == nil {
			n.Addresses = append(n.Addresses, a)
		}
	}
	return n
}

// ModuleEvent is the same event in the words of the ABI.
func ModuleEvent(e Event) abi.Event {
	if e.Op == Delete {
		return &abi.ObjectDelete{Resource: e.Resource, Namespace: e.Namespace, Name: e.Name, UID: e.UID}
	}
	return &abi.ObjectPut{
		Resource: e.Resource, Namespace: e.Namespace, Name: e.Name, UID: e.UID, Generation: e.Generation, JSON: e.JSON,
	}
}
