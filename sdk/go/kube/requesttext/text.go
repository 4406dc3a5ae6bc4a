// Package requesttext prints flow requests one a line, for golden tests of
// policy modules. It prints all that a request says.
package requesttext

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// Of prints requests in their order.
func Of(requests []abi.Request) string {
	var b strings.Builder
	for _, request := range requests {
		b.WriteString(line(request))
		b.WriteByte('\n')
	}
	return b.String()
}

func line(request abi.Request) string {
	switch r := request.(type) {
	case *abi.PutSet:
		return fmt.Sprintf("set %s = %s", r.Name, set(r.Spec))
	case *abi.DeleteSet:
		return "no set " + r.Name
	case *abi.PutRule:
		return fmt.Sprintf("rule %s = %s", r.Name, rule(r.Spec))
	case *abi.DeleteRule:
		return "no rule " + r.Name
	case *abi.PutIsolation:
		s := r.Spec
		return fmt.Sprintf("isolation %s = %s %s of %s (%s)", r.Name, tiers[s.Tier], directions[s.Direction], list(s.Subjects), origin(s.Origin))
	case *abi.DeleteIsolation:
		return "no isolation " + r.Name
	case *abi.Report:
		c := r.Condition
		return fmt.Sprintf("report %s: %s %t %s: %s", origin(r.Object), c.Type, c.True, c.Reason, c.Message)
	}
	return fmt.Sprintf("%T %+v", request, request)
}

func set(spec abi.SetSpec) string {
	switch s := spec.(type) {
	case *abi.Pods:
		in := ""
		if s.Namespaces != nil {
			in += " in " + list(s.Namespaces)
		}
		if s.NamespaceSelector != nil {
			in += " in namespaces {" + kube.SelectorText(*s.NamespaceSelector) + "}"
		}
		return "pods {" + kube.SelectorText(s.PodSelector) + "}" + in
	case *abi.Nodes:
		return "nodes {" + kube.SelectorText(s.Selector) + "}"
	case *abi.Addresses:
		var blocks []string
		for _, block := range s.Blocks {
			text := block.CIDR
			if block.Except != nil {
				text += " but " + list(block.Except)
			}
			blocks = append(blocks, text)
		}
		return "addresses " + strings.Join(blocks, ", ")
	}
	return fmt.Sprintf("%T", spec)
}

func rule(r abi.RuleSpec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s of %s", tiers[r.Tier], actions[r.Action], directions[r.Direction], list(r.Subjects))
	if r.Priority != 0 {
		fmt.Fprintf(&b, " at %d", r.Priority)
	}
	switch {
	case r.AnyPeer:
		b.WriteString(" with any")
	default:
		b.WriteString(" with " + list(r.Peers))
	}
	if r.Ports != nil {
		b.WriteString(" on")
	}
	for _, port := range r.Ports {
		b.WriteString(" " + portText(port))
	}
	if r.Log {
		b.WriteString(" logged")
	}
	fmt.Fprintf(&b, " (%s)", origin(r.Origin))
	return b.String()
}

func portText(p abi.Port) string {
	text := protocols[p.Protocol]
	switch {
	case p.Name != "":
		text += "/" + p.Name
	case p.First == 0 && p.Last == 0:
	case p.First == p.Last:
		text += fmt.Sprintf("/%d", p.First)
	default:
		text += fmt.Sprintf("/%d-%d", p.First, p.Last)
	}
	return text
}

func list(names []string) string { return "[" + strings.Join(names, " ") + "]" }

func origin(o abi.Origin) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", o.Resource, o.Namespace, o.Name, o.Rule))
}

var (
	tiers      = map[abi.Tier]string{abi.Admin: "admin", abi.Network: "network", abi.Baseline: "baseline"}
	directions = map[abi.Direction]string{abi.Ingress: "ingress", abi.Egress: "egress"}
	actions    = map[abi.Action]string{abi.Allow: "allow", abi.Deny: "deny", abi.Reject: "reject", abi.Pass: "pass"}
	protocols  = map[abi.Protocol]string{abi.AnyProtocol: "any", abi.TCP: "TCP", abi.UDP: "UDP", abi.SCTP: "SCTP"}
)
