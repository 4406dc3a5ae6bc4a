package translate

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/meaning"
)

// TestSemantics31RequestsMeanWhatPoliciesSay holds the requests of several random
// policies against the naive reading, for every connection of a small world.
func TestSemantics31RequestsMeanWhatPoliciesSay(t *testing.T) {
	w := smallWorld()
	connections := w.Connections(53, 80, 81)
	policy := policyGenerator()
	actions := map[abi.Action]v1alpha2.ClusterNetworkPolicyRuleAction{abi.Allow: "Accept", abi.Deny: "Deny", abi.Pass: "Pass"}
	said := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		policies := rapid.SliceOfN(policy, 1, 4).Draw(t, "policies")
		var all meaning.Meaning
		for i, policy := range policies {
			object, err := json.Marshal(policy)
			if err != nil {
				t.Fatal(err)
			}
			requests, err := Policy("", fmt.Sprint("p", i), object)
			if err != nil {
				t.Fatalf("%s\n%v", object, err)
			}
			one, err := meaning.Of(requests)
			if err != nil {
				t.Fatalf("%s\n%v", object, err)
			}
			if err := all.Add(one); err != nil {
				t.Fatal(err)
			}
		}
		if len(all.Isolations) != 0 {
			t.Fatalf("isolations: %v", all.Isolations)
		}
		for _, c := range connections {
			for tier, word := range map[abi.Tier]v1alpha2.Tier{abi.Admin: "Admin", abi.Baseline: "Baseline"} {
				for _, direction := range []abi.Direction{abi.Ingress, abi.Egress} {
					got := actions[all.Decides(w, tier, direction, c)]
					may := naive(w, policies, word, direction, c)
					if len(may) == 0 && got != "" || len(may) > 0 && !slices.Contains(may, got) {
						text, _ := json.Marshal(policies)
						t.Fatalf("%s\n%s/%s -> %s/%s %d/%d, %s, direction %d: got %q, may be %q", text,
							c.Source.Addr, c.Source.Pod, c.Destination.Addr, c.Destination.Pod, c.Protocol, c.Port, word, direction, got, may)
					}
					said[string(got)]++
				}
			}
		}
	})
	// A world in which nothing is ever decided would agree as well.
	for _, action := range []string{"", "Accept", "Deny", "Pass"} {
		if said[action] < 1000 {
			t.Errorf("%q came up %d times only", action, said[action])
		}
	}
}

func smallWorld() *meaning.World {
	w := &meaning.World{Namespaces: map[string]map[string]string{"shop": {"team": "a"}, "web": {"team": "b"}, "dark": nil}}
	http := func(n uint16) meaning.NamedPort { return meaning.NamedPort{Name: "http", Protocol: abi.TCP, Number: n} }
	dns := meaning.NamedPort{Name: "dns", Protocol: abi.UDP, Number: 53}
	pod := func(namespace, addr string, labels map[string]string, ports ...meaning.NamedPort) {
		w.Ends = append(w.Ends, &meaning.End{
			Addr: netip.MustParseAddr(addr), Pod: fmt.Sprint("p", len(w.Ends)), Namespace: namespace, Labels: labels, Ports: ports,
		})
	}
	pod("shop", "10.1.0.1", nil)
	pod("shop", "10.1.0.2", map[string]string{"app": "web"}, http(80), dns)
	pod("web", "10.2.0.4", map[string]string{"app": "web"}, http(81))
	pod("web", "fd00::5", map[string]string{"app": "db"}, dns, http(53))
	pod("dark", "10.1.5.6", nil)
	w.Ends = append(w.Ends,
		&meaning.End{Addr: netip.MustParseAddr("192.0.2.1"), Node: "n1", Labels: map[string]string{"app": "web", "role": "control"}},
		&meaning.End{Addr: netip.MustParseAddr("192.0.2.2"), Node: "n2"},
		&meaning.End{Addr: netip.MustParseAddr("10.9.9.9")},
		&meaning.End{Addr: netip.MustParseAddr("2001:db8::1")},
	)
	return w
}

func policyGenerator() *rapid.Generator[*v1alpha2.ClusterNetworkPolicy] {
	selector := rapid.Custom(func(t *rapid.T) metav1.LabelSelector {
		switch key := rapid.SampledFrom([]string{"app", "team", "role"}).Draw(t, "key"); rapid.IntRange(0, 3).Draw(t, "selector") {
		case 1:
			return metav1.LabelSelector{MatchLabels: map[string]string{key: rapid.SampledFrom([]string{"web", "a", "b", "control"}).Draw(t, "value")}}
		case 2:
			return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: "NotIn", Values: []string{"web", "a"}}}}
		case 3:
			return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: "Exists"}}}
		}
		return metav1.LabelSelector{}
	})
	pods := rapid.Custom(func(t *rapid.T) *v1alpha2.NamespacedPod {
		return &v1alpha2.NamespacedPod{NamespaceSelector: selector.Draw(t, "namespaces"), PodSelector: selector.Draw(t, "pods")}
	})
	port := rapid.Custom(func(t *rapid.T) *v1alpha2.Port {
		if rapid.Bool().Draw(t, "range") {
			start := rapid.Int32Range(1, 100).Draw(t, "start")
			return &v1alpha2.Port{Range: &v1alpha2.PortRange{Start: start, End: rapid.Int32Range(start+1, 65535).Draw(t, "end")}}
		}
		return &v1alpha2.Port{Number: rapid.SampledFrom([]int32{53, 80, 81, 65535}).Draw(t, "number")}
	})
	protocol := rapid.Custom(func(t *rapid.T) (p v1alpha2.ClusterNetworkPolicyProtocol) {
		switch rapid.IntRange(0, 3).Draw(t, "protocol") {
		case 0:
			p.TCP = &v1alpha2.ClusterNetworkPolicyProtocolTCP{DestinationPort: port.Draw(t, "port")}
		case 1:
			p.UDP = &v1alpha2.ClusterNetworkPolicyProtocolUDP{DestinationPort: port.Draw(t, "port")}
		case 2:
			p.SCTP = &v1alpha2.ClusterNetworkPolicyProtocolSCTP{DestinationPort: port.Draw(t, "port")}
		case 3:
			p.DestinationNamedPort = rapid.SampledFrom([]string{"http", "dns", "nobodys"}).Draw(t, "name")
		}
		return p
	})
	from := rapid.Custom(func(t *rapid.T) (p v1alpha2.ClusterNetworkPolicyIngressPeer) {
		if rapid.Bool().Draw(t, "pods") {
			p.Pods = pods.Draw(t, "pods")
		} else {
			s := selector.Draw(t, "namespaces")
			p.Namespaces = &s
		}
		return p
	})
	networks := rapid.SliceOfNDistinct(rapid.SampledFrom([]v1alpha2.CIDR{"10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "192.0.2.1/32", "::/0"}), 1, 3, rapid.ID)
	to := rapid.Custom(func(t *rapid.T) (p v1alpha2.ClusterNetworkPolicyEgressPeer) {
		s := selector.Draw(t, "selector")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			p.Pods = pods.Draw(t, "pods")
		case 1:
			p.Namespaces = &s
		case 2:
			p.Nodes = &s
		case 3:
			p.Networks = networks.Draw(t, "networks")
		}
		return p
	})
	action := rapid.SampledFrom([]v1alpha2.ClusterNetworkPolicyRuleAction{"Accept", "Deny", "Pass"})
	return rapid.Custom(func(t *rapid.T) *v1alpha2.ClusterNetworkPolicy {
		policy := &v1alpha2.ClusterNetworkPolicy{}
		policy.Spec.Tier = rapid.SampledFrom([]v1alpha2.Tier{"Admin", "Baseline"}).Draw(t, "tier")
		policy.Spec.Priority = rapid.SampledFrom([]int32{0, 1, 2, 1000}).Draw(t, "priority")
		if rapid.Bool().Draw(t, "subject") {
			policy.Spec.Subject.Pods = pods.Draw(t, "subject")
		} else {
			s := selector.Draw(t, "subject")
			policy.Spec.Subject.Namespaces = &s
		}
		for range rapid.IntRange(0, 4).Draw(t, "ingress") {
			policy.Spec.Ingress = append(policy.Spec.Ingress, v1alpha2.ClusterNetworkPolicyIngressRule{
				Action: action.Draw(t, "action"), From: rapid.SliceOfN(from, 1, 3).Draw(t, "from"), Protocols: rapid.SliceOfN(protocol, 0, 3).Draw(t, "protocols"),
			})
		}
		for range rapid.IntRange(0, 4).Draw(t, "egress") {
			policy.Spec.Egress = append(policy.Spec.Egress, v1alpha2.ClusterNetworkPolicyEgressRule{
				Action: action.Draw(t, "action"), To: rapid.SliceOfN(to, 1, 3).Draw(t, "to"), Protocols: rapid.SliceOfN(protocol, 0, 3).Draw(t, "protocols"),
			})
		}
		return policy
	})
}
