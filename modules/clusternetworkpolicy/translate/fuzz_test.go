package translate

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"sigs.k8s.io/network-policy-api/apis/v1alpha2"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/modules/networkpolicy/meaning"
)

// FuzzPolicy: no JSON makes Policy panic, what it answers is well-formed and
// survives the wire, it never isolates, and it does not refuse what the
// CustomResourceDefinition admits.
func FuzzPolicy(f *testing.F) {
	for _, spec := range []string{
		`{"tier":"Admin","priority":1,"subject":{"namespaces":{}},"ingress":[{"action":"Deny","from":[{"namespaces":{}}]}]}`,
		`{"tier":"Baseline","priority":1000,"subject":{"pods":{"podSelector":{"matchLabels":{"a":"b"}}}},"egress":[{"name":"x","action":"Accept","to":[{"networks":["10.0.0.0/8"]},{"nodes":{}},{}],"protocols":[{"tcp":{"destinationPort":{"number":1}}},{"destinationNamedPort":"http"}]}]}`,
		`{"tier":"Admin","priority":0,"subject":{"pods":{"namespaceSelector":null,"podSelector":{}}},"egress":[{"action":"Pass","to":[{"domainNames":["*.example.org"]}],"protocols":[{"udp":{"destinationPort":{"range":{"start":1,"end":9}}}},{"sctp":{}}]}]}`,
	} {
		f.Add([]byte(`{"apiVersion":"policy.networking.k8s.io/v1alpha2","kind":"ClusterNetworkPolicy","metadata":{"name":"p"},"spec":` + spec + `}`))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		requests, err := Policy("", "p", object)
		if err == nil {
			wellFormed(t, object, requests)
		}
		var policy v1alpha2.ClusterNetworkPolicy
		if json.Unmarshal(object, &policy) != nil {
			return
		}
		stored, err := json.Marshal(&policy)
		if err != nil {
			t.Fatal(err)
		}
		requests, err = Policy("", "p", stored)
		switch {
		case err == nil:
			wellFormed(t, stored, requests)
		case admitted(&policy.Spec):
			t.Errorf("refused, though the definition admits it: %s\n%v", stored, err)
		}
	})
}

func wellFormed(t *testing.T, object []byte, requests []abi.Request) {
	t.Helper()
	m, err := meaning.Of(requests)
	if err != nil || len(m.Isolations) > 0 {
		t.Errorf("%s\n%v, %v", object, m, err)
	}
	txn := policy.NewLayer("m", 0, policy.Grant{Tiers: []abi.Tier{abi.Admin, abi.Baseline}, Actions: []abi.Action{abi.Allow, abi.Deny, abi.Pass}}, policy.Limits{}).Begin(true)
	for _, request := range requests {
		if err := txn.Stage(request); err != nil {
			t.Errorf("%s\nthe host refuses a request: %v", object, err)
		}
	}
	var wire []byte
	for _, request := range requests {
		wire = abi.AppendRequest(wire, request)
	}
	var back []abi.Request
	err = abi.DecodeRequests(wire, func(request abi.Request) error {
		back = append(back, request)
		return nil
	})
	if err != nil || !reflect.DeepEqual(requests, back) {
		t.Errorf("%s\nsent     %v\nreceived %v, %v", object, requests, back, err)
	}
}

// admitted does what the schema of the definition does, as far as the typed
// object can still tell; of peers and protocols it also lets those pass that set
// nothing known, which the schema of a later version might. Selectors have to
// be legal, which the schema does not ask.
func admitted(spec *v1alpha2.ClusterNetworkPolicySpec) bool {
	selector := func(s *metav1.LabelSelector) bool {
		return s == nil || len(metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, nil)) == 0
	}
	pods := func(namespaces *metav1.LabelSelector, p *v1alpha2.NamespacedPod) bool {
		return selector(namespaces) && (p == nil || selector(&p.NamespaceSelector) && selector(&p.PodSelector))
	}
	one := func(set ...bool) bool {
		n := 0
		for _, s := range set {
			if s {
				n++
			}
		}
		return n <= 1
	}
	number := func(n int32) bool { return n >= 1 && n <= 65535 }
	port := func(p *v1alpha2.Port) bool {
		if p == nil || p.Range == nil {
			return p == nil || p.Number == 0 || number(p.Number)
		}
		return p.Number == 0 && number(p.Range.Start) && number(p.Range.End) && p.Range.Start < p.Range.End
	}
	rule := func(action v1alpha2.ClusterNetworkPolicyRuleAction, peers int, protocols []v1alpha2.ClusterNetworkPolicyProtocol) bool {
		return slices.Contains([]v1alpha2.ClusterNetworkPolicyRuleAction{"Accept", "Deny", "Pass"}, action) && peers > 0 &&
			!slices.ContainsFunc(protocols, func(p v1alpha2.ClusterNetworkPolicyProtocol) bool {
				return len(p.DestinationNamedPort) > 253 || !one(p.TCP != nil, p.UDP != nil, p.SCTP != nil, p.DestinationNamedPort != "") ||
					p.TCP != nil && !port(p.TCP.DestinationPort) || p.UDP != nil && !port(p.UDP.DestinationPort) || p.SCTP != nil && !port(p.SCTP.DestinationPort)
			})
	}
	good := (spec.Tier == "Admin" || spec.Tier == "Baseline") && spec.Priority >= 0 && spec.Priority <= 1000 &&
		(spec.Subject.Namespaces == nil) != (spec.Subject.Pods == nil) && pods(spec.Subject.Namespaces, spec.Subject.Pods) &&
		len(spec.Ingress) <= 25 && len(spec.Egress) <= 25
	for _, r := range spec.Ingress {
		good = good && rule(r.Action, len(r.From), r.Protocols)
		for _, p := range r.From {
			good = good && one(p.Namespaces != nil, p.Pods != nil) && pods(p.Namespaces, p.Pods)
		}
	}
	for _, r := range spec.Egress {
		good = good && rule(r.Action, len(r.To), r.Protocols)
		for _, p := range r.To {
			good = good && one(p.Namespaces != nil, p.Pods != nil, p.Nodes != nil, p.Networks != nil) && pods(p.Namespaces, p.Pods) && selector(p.Nodes)
			for _, network := range p.Networks {
				_, err := netip.ParsePrefix(string(network))
				good = good && err == nil
			}
		}
	}
	return good
}
