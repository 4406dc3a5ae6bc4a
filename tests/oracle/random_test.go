package oracle

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// TestRandomClusters: translation, layer and Evaluate together say what the
// reference says, for every ordered pair of addresses, protocol and port.
func TestRandomClusters(t *testing.T) {
	connections, allowed, denied := 0, 0, 0
	for range 20 { // rapid's default is 100 cases
		rapid.Check(t, func(t *rapid.T) {
			c := drawCluster(t)
			view := viewOf(t, c)
			for _, conn := range c.connections() {
				want := c.Judge(conn)
				got := policy.Evaluate(view, packetOf(conn))
				connections++
				if want.Allowed() {
					allowed++
				} else {
					denied++
				}
				if got.Allowed != want.Allowed() || (got.Egress.Verdict == abi.Allow) != want.Egress || (got.Ingress.Verdict == abi.Allow) != want.Ingress {
					t.Fatalf("%+v\nreference %+v\nmodel %+v\n%s", conn, want, got, c)
				}
			}
		})
	}
	t.Logf("%d connections, %d allowed, %d denied", connections, allowed, denied)
	if allowed < connections/10 || denied < connections/10 {
		t.Errorf("of %d connections %d were allowed and %d denied: the clusters no longer test much", connections, allowed, denied)
	}
}

// TestRandomForms: what may be left out of a policy may be empty or null too,
// and means the same.
func TestRandomForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t, 0)
		plain, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(plain, &object); err != nil {
			t.Fatal(err)
		}
		spec := object["spec"].(map[string]any)
		vary(t, spec, "ingress", "egress", "policyTypes")
		if selector, is := spec["podSelector"].(map[string]any); is && len(selector) == 0 && rapid.Bool().Draw(t, "no podSelector") {
			delete(spec, "podSelector")
		}
		for _, section := range []string{"ingress", "egress"} {
			rules, _ := spec[section].([]any)
			for _, rule := range rules {
				peers := map[string]string{"ingress": "from", "egress": "to"}[section]
				vary(t, rule.(map[string]any), peers, "ports")
			}
		}
		varied, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		a, b := translatedText(t, p.Namespace, p.Name, plain), translatedText(t, p.Namespace, p.Name, varied)
		if one, other := commitText(t, a), commitText(t, b); one != other {
			t.Fatalf("%s\nsays %s\n%s\nsays %s", plain, one, varied, other)
		}
	})
}

// vary writes what is absent as an empty list or as null.
func vary(t *rapid.T, object map[string]any, fields ...string) {
	for _, field := range fields {
		if _, there := object[field]; there {
			continue
		}
		switch rapid.IntRange(0, 2).Draw(t, "form of "+field) {
		case 1:
			object[field] = []any{}
		case 2:
			object[field] = nil
		}
	}
}

func commitText(t tester, requests []abi.Request) string {
	layer := networkLayer()
	txn := layer.Begin(true)
	stageAll(t, txn, requests)
	var text strings.Builder
	d := txn.Delta()
	for _, s := range d.PutSets {
		spec, _ := json.Marshal(s)
		text.Write(spec)
	}
	fmt.Fprintf(&text, "%+v %+v", d.PutRules, d.PutIsolations)
	return text.String()
}

func (c *Cluster) String() string {
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// connections is every ordered pair of addresses with every protocol and the
// ports around which policies are drawn.
func (c *Cluster) connections() []Connection {
	seen := map[netip.Addr]bool{netip.MustParseAddr("8.8.8.8"): true, netip.MustParseAddr("2001:db8::8"): true}
	for _, p := range c.Pods {
		for _, ip := range p.Status.PodIPs {
			seen[netip.MustParseAddr(ip.IP)] = true
		}
	}
	for _, n := range c.Nodes {
		for _, a := range n.Status.Addresses {
			seen[netip.MustParseAddr(a.Address)] = true
		}
	}
	var all []Connection
	for source := range seen {
		for destination := range seen {
			if source.Is4() != destination.Is4() {
				continue
			}
			for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
				for port := int32(80); port <= 83; port++ {
					all = append(all, Connection{source, destination, protocol, port})
				}
			}
			all = append(all, Connection{source, destination, "ICMP", 8 << 8})
		}
	}
	return all
}

var (
	spaces = []string{"one", "two"}
	keys   = []string{"app", "tier"}
	values = []string{"", "x", "y"}
	ports  = []string{"http", "dns"}
	blocks = map[string][]string{
		"0.0.0.0/0": {"10.0.0.0/8", "8.8.8.8/32"}, "10.0.0.0/8": {"10.0.0.0/30", "10.0.0.2/32", "10.0.0.4/31"}, "10.0.0.0/29": {"10.0.0.3/32"},
		"10.0.0.5/32": nil, "10.0.0.6/24": nil, "::/0": {"fd00::/16"}, "fd00::/64": {"fd00::2/127"}, "8.8.0.0/16": nil, "192.168.0.0/24": {"192.168.0.1/32"},
	}
	cidrs = []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/29", "10.0.0.5/32", "10.0.0.6/24", "::/0", "fd00::/64", "8.8.0.0/16", "192.168.0.0/24"}
)

func pick[T any](t *rapid.T, from []T) T { return rapid.SampledFrom(from).Draw(t, "pick") }

func upTo(t *rapid.T, n int) int { return rapid.IntRange(0, n).Draw(t, "n") }

func oneIn(t *rapid.T, n int) bool { return upTo(t, n-1) == n-1 }

func drawCluster(t *rapid.T) *Cluster {
	c := &Cluster{}
	for _, name := range spaces {
		if !oneIn(t, 6) { // else its Pods come before it
			c.Namespaces = append(c.Namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: drawLabels(t)}})
		}
	}
	for i := range 2 {
		if !oneIn(t, 6) {
			c.Nodes = append(c.Nodes, &corev1.Node{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", i)},
				Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
					{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("192.168.0.%d", i+1)},
					{Type: corev1.NodeExternalIP, Address: fmt.Sprintf("2001:db8::%d", i+1)},
				}},
			})
		}
	}
	for i := range 1 + upTo(t, 5) {
		c.Pods = append(c.Pods, drawPod(t, i))
	}
	for i := range 1 + upTo(t, 4) {
		c.Policies = append(c.Policies, drawPolicy(t, i))
	}
	return c
}

func drawLabels(t *rapid.T) map[string]string {
	labels := map[string]string{}
	for _, key := range keys {
		if upTo(t, 2) > 0 {
			labels[key] = pick(t, values)
		}
	}
	return labels
}

func drawPod(t *rapid.T, i int) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pick(t, spaces), Name: fmt.Sprintf("pod-%d", i), UID: types.UID(fmt.Sprint(i)), Labels: drawLabels(t)},
		Spec:       corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", upTo(t, 2))},
	}
	address := i + 1
	switch upTo(t, 11) {
	case 0:
		p.Spec.HostNetwork = true
		p.Status.PodIPs = []corev1.PodIP{{IP: "192.168.0.1"}}
		return p
	case 1:
		p.Status.Phase = pick(t, []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed})
		address = max(1, i) // perhaps another Pod's by now
	case 2:
		return p // no address yet
	}
	if upTo(t, 3) > 0 {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: fmt.Sprintf("10.0.0.%d", address)})
	}
	if upTo(t, 3) == 0 || len(p.Status.PodIPs) == 0 {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: fmt.Sprintf("fd00::%d", address)})
	}
	p.Spec.Containers = []corev1.Container{{Ports: drawContainerPorts(t)}, {Ports: drawContainerPorts(t)}}
	always := corev1.ContainerRestartPolicyAlways
	p.Spec.InitContainers = []corev1.Container{{Ports: drawContainerPorts(t)}, {Ports: drawContainerPorts(t), RestartPolicy: &always}}
	return p
}

func drawContainerPorts(t *rapid.T) []corev1.ContainerPort {
	if upTo(t, 2) > 0 {
		return nil
	}
	return []corev1.ContainerPort{{
		Name: pick(t, append([]string{""}, ports...)), ContainerPort: int32(80 + upTo(t, 2)),
		Protocol: pick(t, []corev1.Protocol{"", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}),
	}}
}

func drawPolicy(t *rapid.T, i int) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: pick(t, spaces), Name: fmt.Sprintf("policy-%d", i)}}
	if rapid.Bool().Draw(t, "some") {
		p.Spec.PodSelector = *drawSelector(t, keys)
	}
	p.Spec.PolicyTypes = pick(t, [][]networkingv1.PolicyType{nil, {"Ingress"}, {"Egress"}, {"Ingress", "Egress"}})
	for range upTo(t, 2) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: drawPeers(t), Ports: drawPorts(t)})
	}
	for range upTo(t, 2) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: drawPeers(t), Ports: drawPorts(t)})
	}
	return p
}

func drawSelector(t *rapid.T, keys []string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	for range upTo(t, 2) {
		key := pick(t, keys)
		switch operator := upTo(t, 4); operator {
		case 0, 1:
			e := metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn}
			if operator == 1 {
				e.Operator = metav1.LabelSelectorOpNotIn
			}
			for range 1 + upTo(t, 1) {
				e.Values = append(e.Values, pick(t, append(values, spaces...)))
			}
			s.MatchExpressions = append(s.MatchExpressions, e)
		case 2:
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpExists})
		case 3:
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpDoesNotExist})
		case 4:
			if s.MatchLabels == nil {
				s.MatchLabels = map[string]string{}
			}
			s.MatchLabels[key] = pick(t, append(values, spaces...))
		}
	}
	return s
}

func drawPeers(t *rapid.T) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range upTo(t, 2) {
		var p networkingv1.NetworkPolicyPeer
		if kind := upTo(t, 3); kind == 0 {
			cidr := pick(t, cidrs)
			p.IPBlock = &networkingv1.IPBlock{CIDR: cidr}
			for _, except := range blocks[cidr] {
				if rapid.Bool().Draw(t, "except") {
					p.IPBlock.Except = append(p.IPBlock.Except, except)
				}
			}
		} else {
			if kind&1 != 0 {
				p.PodSelector = drawSelector(t, keys)
			}
			if kind&2 != 0 {
				p.NamespaceSelector = drawSelector(t, append(keys, corev1.LabelMetadataName))
			}
		}
		peers = append(peers, p)
	}
	return peers
}

func drawPorts(t *rapid.T) []networkingv1.NetworkPolicyPort {
	var drawn []networkingv1.NetworkPolicyPort
	for range upTo(t, 2) {
		var p networkingv1.NetworkPolicyPort
		if protocol := pick(t, []corev1.Protocol{"", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}); protocol != "" {
			p.Protocol = &protocol
		}
		number := intstr.FromInt32(int32(80 + upTo(t, 2)))
		switch upTo(t, 3) {
		case 0:
			name := intstr.FromString(pick(t, ports))
			p.Port = &name
		case 1:
			p.Port = &number
		case 2:
			end := number.IntVal + int32(upTo(t, 2))
			p.Port, p.EndPort = &number, &end
		}
		drawn = append(drawn, p)
	}
	return drawn
}
