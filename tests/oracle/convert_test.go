package oracle

import (
	"encoding/json"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
)

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

var _ tester = (*testing.T)(nil)

var protocolNumbers = map[corev1.Protocol]abi.Protocol{
	"": abi.TCP, corev1.ProtocolTCP: abi.TCP, corev1.ProtocolUDP: abi.UDP, corev1.ProtocolSCTP: abi.SCTP, "ICMP": abi.ICMP,
}

// viewOf takes the cluster the way that the agent does: objects into an
// inventory, policies through the module's translation into a layer.
func viewOf(t tester, c *Cluster) policy.View {
	t.Helper()
	inv := inventory.New()
	for _, p := range c.Pods {
		inv.PutPod(podOf(p))
	}
	for _, ns := range c.Namespaces {
		inv.PutNamespace(inventory.Namespace{Name: ns.Name, Labels: ns.Labels})
	}
	for _, n := range c.Nodes {
		node := inventory.Node{Name: n.Name, Labels: n.Labels}
		for _, a := range n.Status.Addresses {
			if addr, err := netip.ParseAddr(a.Address); err == nil {
				node.Addresses = append(node.Addresses, addr)
			}
		}
		inv.PutNode(node)
	}
	layer := networkLayer()
	txn := layer.Begin(true)
	for _, p := range c.Policies {
		stageAll(t, txn, translated(t, p))
	}
	commit(t, layer, txn)
	return policy.View{Inventory: inv.Snapshot(), Layers: []*policy.Layer{layer}}
}

func networkLayer() *policy.Layer {
	return policy.NewLayer("networkpolicy", 0, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}}, policy.Limits{})
}

func podOf(p *corev1.Pod) inventory.Pod {
	pod := inventory.Pod{
		Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Labels: p.Labels, Node: p.Spec.NodeName,
		HostNetwork: p.Spec.HostNetwork,
		Finished:    p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
	}
	for _, ip := range p.Status.PodIPs {
		pod.Addresses = append(pod.Addresses, netip.MustParseAddr(ip.IP))
	}
	note := func(container corev1.Container) {
		for _, port := range container.Ports {
			if port.Name != "" {
				pod.Ports = append(pod.Ports, inventory.NamedPort{Name: port.Name, Protocol: protocolNumbers[port.Protocol], Number: uint16(port.ContainerPort)})
			}
		}
	}
	for _, container := range p.Spec.Containers {
		note(container)
	}
	for _, container := range p.Spec.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			note(container)
		}
	}
	return pod
}

func translated(t tester, p *networkingv1.NetworkPolicy) []abi.Request {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatalf("policy %s/%s: %v", p.Namespace, p.Name, err)
	}
	return translatedText(t, p.Namespace, p.Name, text)
}

func translatedText(t tester, namespace, name string, text []byte) []abi.Request {
	t.Helper()
	requests, err := translate.Policy(namespace, name, text)
	if err != nil {
		t.Fatalf("policy %s/%s: %v\n%s", namespace, name, err, text)
	}
	return requests
}

func stageAll(t tester, txn *policy.Txn, requests []abi.Request) {
	t.Helper()
	for _, r := range requests {
		if err := txn.Stage(r); err != nil {
			t.Fatalf("stage %+v: %v", r, err)
		}
	}
}

func commit(t tester, layer *policy.Layer, txn *policy.Txn) {
	t.Helper()
	if err := txn.Check(); err != nil {
		t.Fatalf("check: %v", err)
	}
	layer.Commit(txn)
}

func packetOf(conn Connection) policy.Packet {
	return policy.Packet{Source: conn.Source, Destination: conn.Destination, Protocol: protocolNumbers[conn.Protocol], Port: uint16(conn.Port)}
}
