package translate

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/meaning"
)

// TestRequestsMeanWhatThePolicySays holds the requests against the naive reading
// of random policies, for every connection of a small world.
func TestRequestsMeanWhatThePolicySays(t *testing.T) {
	w := smallWorld()
	connections := w.Connections(1, 53, 80, 81, 8080, 65535)
	policies := policyGenerator()
	said := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		policy := policies.Draw(t, "policy")
		object, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		requests, err := Policy(policy.Namespace, policy.Name, object)
		if err != nil {
			t.Fatalf("%s\n%v", object, err)
		}
		m, err := meaning.Of(requests)
		if err != nil {
			t.Fatalf("%s\n%v", object, err)
		}
		for _, c := range connections {
			for _, direction := range []abi.Direction{abi.Ingress, abi.Egress} {
				isolated := m.Isolated(w, abi.Network, direction, c)
				allowed := m.Decides(w, abi.Network, direction, c) == abi.Allow
				wantIsolated, wantAllowed := naive(w, policy, direction, c)
				if isolated != wantIsolated || allowed != wantAllowed {
					t.Fatalf("%s\n%s/%s -> %s/%s %d/%d, direction %d: isolated %t, allowed %t; want %t, %t", object,
						c.Source.Addr, c.Source.Pod, c.Destination.Addr, c.Destination.Pod, c.Protocol, c.Port, direction,
						isolated, allowed, wantIsolated, wantAllowed)
				}
				said[fmt.Sprint(isolated, allowed)]++
			}
		}
	})
	// A world in which everything is refused would agree as well.
	for _, verdict := range []string{"false false", "true false", "true true"} {
		if said[verdict] < 1000 {
			t.Errorf("isolated, allowed = %s came up %d times only", verdict, said[verdict])
		}
	}
}

func smallWorld() *meaning.World {
	w := &meaning.World{Namespaces: map[string]map[string]string{
		"shop": {"team": "a", "kubernetes.io/metadata.name": "shop"},
		"web":  {"team": "b", "kubernetes.io/metadata.name": "web"},
		"dark": {},
	}}
	http := func(n uint16) meaning.NamedPort { return meaning.NamedPort{Name: "http", Protocol: abi.TCP, Number: n} }
	dns := meaning.NamedPort{Name: "dns", Protocol: abi.UDP, Number: 53}
	pod := func(namespace, addr string, labels map[string]string, ports ...meaning.NamedPort) {
		w.Ends = append(w.Ends, &meaning.End{
			Addr: netip.MustParseAddr(addr), Pod: fmt.Sprint("p", len(w.Ends)), Namespace: namespace, Labels: labels, Ports: ports,
		})
	}
	pod("shop", "10.1.0.1", nil)
	pod("shop", "10.1.0.2", map[string]string{"app": "web", "tier": "front"}, http(80), dns)
	pod("shop", "10.2.0.3", map[string]string{"app": "db"}, http(8080))
	pod("web", "10.2.0.4", map[string]string{"app": "web", "tier": ""}, http(81))
	pod("web", "fd00::5", map[string]string{"app": "db", "tier": "back"}, dns, http(53))
	pod("dark", "10.1.5.6", map[string]string{"tier": "front"})
	for _, addr := range []string{"10.9.9.9", "192.0.2.1", "192.0.2.130", "fd00::9", "2001:db8::1"} {
		w.Ends = append(w.Ends, &meaning.End{Addr: netip.MustParseAddr(addr)})
	}
	return w
}

func policyGenerator() *rapid.Generator[*networkingv1.NetworkPolicy] {
	selector := rapid.Custom(func(t *rapid.T) metav1.LabelSelector {
		var s metav1.LabelSelector
		key := rapid.SampledFrom([]string{"app", "tier", "team", "kubernetes.io/metadata.name"})
		value := rapid.SampledFrom([]string{"web", "db", "front", "", "a", "b", "shop"})
		if rapid.Bool().Draw(t, "labels") {
			s.MatchLabels = rapid.MapOfN(key, value, 0, 2).Draw(t, "matchLabels")
		}
		for range rapid.IntRange(0, 2).Draw(t, "expressions") {
			r := metav1.LabelSelectorRequirement{Key: key.Draw(t, "key")}
			r.Operator = rapid.SampledFrom([]metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator")
			if r.Operator == "In" || r.Operator == "NotIn" {
				r.Values = rapid.SliceOfN(value, 1, 3).Draw(t, "values")
			}
			s.MatchExpressions = append(s.MatchExpressions, r)
		}
		return s
	})
	block := rapid.SampledFrom([]*networkingv1.IPBlock{
		{CIDR: "0.0.0.0/0"},
		{CIDR: "::/0"},
		{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}},
		{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.2/32", "10.2.0.0/16"}},
		{CIDR: "10.1.0.0/24"},
		{CIDR: "192.0.2.1/24", Except: []string{"192.0.2.128/25"}},
		{CIDR: "192.0.2.128/25", Except: []string{"192.0.2.129/32"}},
		{CIDR: "fd00::/8", Except: []string{"fd00::8/125"}},
	})
	peer := rapid.Custom(func(t *rapid.T) networkingv1.NetworkPolicyPeer {
		var p networkingv1.NetworkPolicyPeer
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		if kind == 0 {
			p.IPBlock = block.Draw(t, "block")
		}
		if kind&1 != 0 {
			s := selector.Draw(t, "podSelector")
			p.PodSelector = &s
		}
		if kind&2 != 0 {
			s := selector.Draw(t, "namespaceSelector")
			p.NamespaceSelector = &s
		}
		return p
	})
	port := rapid.Custom(func(t *rapid.T) networkingv1.NetworkPolicyPort {
		var p networkingv1.NetworkPolicyPort
		if rapid.Bool().Draw(t, "has protocol") {
			protocol := rapid.SampledFrom([]corev1.Protocol{"TCP", "UDP", "SCTP"}).Draw(t, "protocol")
			p.Protocol = &protocol
		}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 1:
			n := intstr.FromString(rapid.SampledFrom([]string{"http", "dns", "nobodys"}).Draw(t, "name"))
			p.Port = &n
		case 2:
			n := intstr.FromInt32(rapid.SampledFrom([]int32{1, 53, 80, 8080, 65535}).Draw(t, "number"))
			p.Port = &n
		case 3:
			n := intstr.FromInt32(rapid.Int32Range(1, 100).Draw(t, "first"))
			last := rapid.Int32Range(n.IntVal, 65535).Draw(t, "last")
			p.Port, p.EndPort = &n, &last
		}
		return p
	})
	return rapid.Custom(func(t *rapid.T) *networkingv1.NetworkPolicy {
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p"}}
		policy.Spec.PodSelector = selector.Draw(t, "subjects")
		policy.Spec.PolicyTypes = rapid.SliceOfNDistinct(rapid.SampledFrom([]networkingv1.PolicyType{"Ingress", "Egress"}), 0, 2, rapid.ID).Draw(t, "types")
		for range rapid.IntRange(0, 3).Draw(t, "ingress") {
			policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
				From: rapid.SliceOfN(peer, 0, 4).Draw(t, "from"), Ports: rapid.SliceOfN(port, 0, 3).Draw(t, "ports"),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "egress") {
			policy.Spec.Egress = append(policy.Spec.Egress, networkingv1.NetworkPolicyEgressRule{
				To: rapid.SliceOfN(peer, 0, 4).Draw(t, "to"), Ports: rapid.SliceOfN(port, 0, 3).Draw(t, "ports"),
			})
		}
		return policy
	})
}
