package translate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	netutils "k8s.io/utils/net"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/modules/networkpolicy/meaning"
)

// FuzzPolicy: no JSON makes Policy panic, what it answers is well-formed and
// survives the wire, and it refuses an object if and only if the API server
// would.
func FuzzPolicy(f *testing.F) {
	for _, spec := range []string{
		`{}`,
		`{"podSelector":{"matchLabels":{"a":"b"}},"policyTypes":["Egress"],"ingress":[{}],"egress":[]}`,
		`{"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}},{"podSelector":{}}],"ports":[{"port":80,"endPort":90},{"port":"http","protocol":"UDP"}]}]}`,
		`{"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"x.y/z","operator":"NotIn","values":["a","b"]}]},"podSelector":{"matchExpressions":[{"key":"k","operator":"Exists"}]}}]}]}`,
		`{"ingress":[{"from":[{"ipBlock":{"cidr":"::ffff:010.1.2.3/104"}}]},{"from":[{}]},null]}`,
		`{"ingress":[{"from":null,"ports":[{"protocol":null,"port":"80"}]}],"egress":[{"to":[{"ipBlock":{"cidr":"fd00::/8"},"podSelector":null}]}]}`,
	} {
		f.Add([]byte(`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p"},"spec":` + spec + `}`))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		requests, err := Policy("shop", "p", object)
		if err == nil {
			wellFormed(t, object, requests)
		}

		// What the API server would have stored of it.
		var policy networkingv1.NetworkPolicy
		if json.Unmarshal(object, &policy) != nil {
			return
		}
		stored, err := json.Marshal(&policy)
		if err != nil {
			t.Fatal(err)
		}
		requests, err = Policy("shop", "p", stored)
		switch valid := validate(&policy.Spec); {
		case err == nil && !valid && !bytes.Contains(bytes.ToLower(stored), []byte("::ffff")):
			t.Errorf("accepted, though the API server would not: %s", stored)
		case err != nil && valid:
			t.Errorf("refused, though the API server would not: %s\n%v", stored, err)
		case err == nil:
			wellFormed(t, stored, requests)
		}
	})
}

func wellFormed(t *testing.T, object []byte, requests []abi.Request) {
	t.Helper()
	if _, err := meaning.Of(requests); err != nil {
		t.Errorf("%s\n%v", object, err)
	}
	txn := policy.NewLayer("m", 0, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}}, policy.Limits{}).Begin(true)
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
	err := abi.DecodeRequests(wire, func(request abi.Request) error {
		back = append(back, request)
		return nil
	})
	if err != nil || !reflect.DeepEqual(requests, back) {
		t.Errorf("%s\nsent     %v\nreceived %v, %v", object, requests, back, err)
	}
}

// validate does what ValidateNetworkPolicySpec of k8s.io/kubernetes does, which
// is in no library, out of the parts of apimachinery that it is made of.
func validate(spec *networkingv1.NetworkPolicySpec) bool {
	none := metav1validation.LabelSelectorValidationOptions{}
	good := len(metav1validation.ValidateLabelSelector(&spec.PodSelector, none, nil)) == 0 && len(spec.PolicyTypes) <= 2
	for _, t := range spec.PolicyTypes {
		good = good && (t == networkingv1.PolicyTypeIngress || t == networkingv1.PolicyTypeEgress)
	}
	rule := func(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
		for _, peer := range peers {
			selects := peer.PodSelector != nil || peer.NamespaceSelector != nil
			good = good && selects != (peer.IPBlock != nil) && (peer.IPBlock == nil || validBlock(peer.IPBlock)) &&
				len(metav1validation.ValidateLabelSelector(peer.PodSelector, none, nil)) == 0 &&
				len(metav1validation.ValidateLabelSelector(peer.NamespaceSelector, none, nil)) == 0
		}
		for _, port := range ports {
			good = good && validPort(port)
		}
	}
	for _, r := range spec.Ingress {
		rule(r.From, r.Ports)
	}
	for _, r := range spec.Egress {
		rule(r.To, r.Ports)
	}
	return good
}

func validPort(port networkingv1.NetworkPolicyPort) bool {
	if p := port.Protocol; p != nil && *p != corev1.ProtocolTCP && *p != corev1.ProtocolUDP && *p != corev1.ProtocolSCTP {
		return false
	}
	switch {
	case port.Port == nil:
		return port.EndPort == nil
	case port.Port.Type == intstr.String:
		return port.EndPort == nil && len(validation.IsValidPortName(port.Port.StrVal)) == 0
	case len(validation.IsValidPortNum(int(port.Port.IntVal))) != 0:
		return false
	}
	return port.EndPort == nil || *port.EndPort >= port.Port.IntVal && len(validation.IsValidPortNum(int(*port.EndPort))) == 0
}

func validBlock(block *networkingv1.IPBlock) bool {
	_, cidr, err := netutils.ParseCIDRSloppy(block.CIDR)
	if err != nil {
		return false
	}
	bits, _ := cidr.Mask.Size()
	for _, text := range block.Except {
		ip, except, err := netutils.ParseCIDRSloppy(text)
		if err != nil || !cidr.Contains(ip) {
			return false
		}
		if inner, _ := except.Mask.Size(); bits >= inner {
			return false
		}
	}
	return true
}

func TestValidateKnowsBadFromGood(t *testing.T) {
	// The oracle of the fuzz test has to be able to say no.
	var policy networkingv1.NetworkPolicy
	if !validate(&policy.Spec) {
		t.Error("an empty spec is legal")
	}
	for _, spec := range []string{`{"ingress":[{"from":[{}]}]}`, `{"ingress":[{"ports":[{"port":0}]}]}`, `{"policyTypes":["x"]}`} {
		if err := json.NewDecoder(strings.NewReader(`{"spec":` + spec + `}`)).Decode(&policy); err != nil || validate(&policy.Spec) {
			t.Errorf("%s: %v, or taken for legal", spec, err)
		}
	}
}
