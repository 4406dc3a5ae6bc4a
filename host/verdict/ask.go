package verdict

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// Question is about one connection. From and To are namespace/pod or an address; To
// may be a Service (see ServicePrefix).
type Question struct {
	From, To string
	Protocol string // TCP, UDP, SCTP, ICMP; empty is TCP
	Port     uint16
}

// Answer is what the model says. Verdict is allow or deny, or Differs.
type Answer struct {
	Verdict string   `json:"verdict"`
	Egress  Decision `json:"egress,omitzero"`
	Ingress Decision `json:"ingress,omitzero"`
	// Service is set, instead of Egress and Ingress, for a connection to a Service.
	Service *ServiceAnswer `json:"service,omitempty"`
}

// Decision is the answer in one direction, in the words of the policy's author.
type Decision struct {
	Verdict string `json:"verdict"`          // allow, deny or reject
	By      string `json:"by"`               // "networkpolicies.networking.k8s.io shop/web ingress[0]", or why nobody had to decide
	Tier    string `json:"tier,omitempty"`   // admin, network, baseline
	Module  string `json:"module,omitempty"` //
	Reason  string `json:"reason"`
	// Isolations are all objects that deny by default, where that decided.
	Isolations []string `json:"isolations,omitempty"`
}

// Ask answers a question, with what Routes has found for it. Both ends must have an
// address of the same family; of several, the first that they have in common
// counts.
func Ask(view policy.View, q Question, routes []Route) (Answer, error) {
	protocol, err := protocolOf(q.Protocol)
	if err != nil {
		return Answer{}, err
	}
	from, err := addresses(view.Inventory, q.From)
	if err != nil {
		return Answer{}, fmt.Errorf("from: %w", err)
	}
	if len(routes) > 0 {
		return askService(view, q, from, routes)
	}
	to, err := addresses(view.Inventory, q.To)
	if err != nil {
		return Answer{}, fmt.Errorf("to: %w", err)
	}
	for _, source := range from {
		for _, destination := range to {
			if source.Is4() == destination.Is4() {
				return judge(view, policy.Packet{Source: source, Destination: destination, Protocol: protocol, Port: q.Port}), nil
			}
		}
	}
	return Answer{}, fmt.Errorf("%s and %s have no address of the same family", q.From, q.To)
}

func judge(view policy.View, p policy.Packet) Answer {
	v := policy.Evaluate(view, p)
	a := Answer{Verdict: "deny", Egress: decision(v.Egress), Ingress: decision(v.Ingress)}
	if v.Allowed {
		a.Verdict = "allow"
	}
	return a
}

func decision(d policy.Decision) Decision {
	out := Decision{Verdict: policy.ActionName(d.Verdict), Module: d.Module, Reason: d.Reason, By: d.Reason}
	if d.Tier != 0 {
		out.Tier = policy.TierName(d.Tier)
		out.By = author(d.Origin, d.Name)
	}
	for _, i := range d.Isolations {
		out.Isolations = append(out.Isolations, author(i.Spec.Origin, i.Name))
	}
	return out
}

// author names what decided as its author knows it, or by the module's name
// for it.
func author(o abi.Origin, name string) string {
	if o.Name == "" {
		return name
	}
	text := o.Name
	if o.Namespace != "" {
		text = o.Namespace + "/" + o.Name
	}
	if o.Resource != "" {
		text = o.Resource + " " + text
	}
	if o.Rule != "" {
		text += " " + o.Rule
	}
	return text
}

func addresses(s *inventory.Snapshot, end string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(end); err == nil {
		return []netip.Addr{addr}, nil
	}
	namespace, name, ok := strings.Cut(end, "/")
	if !ok {
		return nil, fmt.Errorf("%q is neither an address nor namespace/pod", end)
	}
	pod, known := s.Pod(namespace, name)
	if !known {
		return nil, fmt.Errorf("there is no Pod %s", end)
	}
	if addrs := pod.Addresses(); len(addrs) > 0 {
		return addrs, nil
	}
	return nil, fmt.Errorf("the Pod %s has no address", end)
}

func protocolOf(word string) (abi.Protocol, error) {
	switch strings.ToUpper(word) {
	case "", "TCP":
		return abi.TCP, nil
	case "UDP":
		return abi.UDP, nil
	case "SCTP":
		return abi.SCTP, nil
	case "ICMP":
		return abi.ICMP, nil
	case "ICMPV6":
		return abi.ICMPv6, nil
	}
	return 0, fmt.Errorf("protocol %q is not known: use TCP, UDP, SCTP, ICMP or ICMPv6", word)
}
