package verdict

import (
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// Requests is everything that a module has in force, in words: as flow requests
// that a person can read.
type Requests struct {
	Module     string      `json:"module"`
	Sets       []Set       `json:"sets"`
	Rules      []Rule      `json:"rules"`
	Isolations []Isolation `json:"isolations"`
}

// Set is one set; one of Pods, Nodes and Addresses is there.
type Set struct {
	Name      string   `json:"name"`
	Pods      *Pods    `json:"pods,omitempty"`
	Nodes     []string `json:"nodes,omitempty"` // requirements
	Addresses []Block  `json:"addresses,omitempty"`
}

// Pods are those in the namespaces that are named or selected.
type Pods struct {
	Namespaces        []string  `json:"namespaces,omitempty"`
	NamespaceSelector *[]string `json:"namespaceSelector,omitempty"` // requirements; empty selects all
	PodSelector       []string  `json:"podSelector,omitempty"`
}

// Block is a CIDR without others.
type Block struct {
	CIDR   string   `json:"cidr"`
	Except []string `json:"except,omitempty"`
}

// Rule is one rule.
type Rule struct {
	Name      string   `json:"name"`
	Tier      string   `json:"tier"`
	Direction string   `json:"direction"`
	Priority  int32    `json:"priority,omitempty"`
	Subjects  []string `json:"subjects"`
	Peers     []string `json:"peers,omitempty"` // none: anybody
	Ports     []string `json:"ports,omitempty"` // none: every protocol and port
	Action    string   `json:"action"`
	Log       bool     `json:"log,omitempty"`
	From      string   `json:"from,omitempty"` // the object that it comes from
}

// Isolation is one isolation.
type Isolation struct {
	Name      string   `json:"name"`
	Tier      string   `json:"tier"`
	Direction string   `json:"direction"`
	Subjects  []string `json:"subjects"`
	From      string   `json:"from,omitempty"`
}

// RequestsOf says what a layer holds, ordered by name.
func RequestsOf(l *policy.Layer) Requests {
	out := Requests{Module: l.Module(), Sets: []Set{}, Rules: []Rule{}, Isolations: []Isolation{}}
	for s := range l.Sets() {
		out.Sets = append(out.Sets, setOf(s))
	}
	for r := range l.Rules() {
		one := Rule{
			Name: r.Name, Tier: policy.TierName(r.Spec.Tier), Direction: policy.DirectionName(r.Spec.Direction), Priority: r.Spec.Priority,
			Subjects: r.Spec.Subjects, Peers: r.Spec.Peers, Action: policy.ActionName(r.Spec.Action), Log: r.Spec.Log, From: author(r.Spec.Origin, ""),
		}
		for _, p := range r.Spec.Ports {
			one.Ports = append(one.Ports, portText(p))
		}
		out.Rules = append(out.Rules, one)
	}
	for i := range l.Isolations() {
		out.Isolations = append(out.Isolations, Isolation{
			Name: i.Name, Tier: policy.TierName(i.Spec.Tier), Direction: policy.DirectionName(i.Spec.Direction),
			Subjects: i.Spec.Subjects, From: author(i.Spec.Origin, ""),
		})
	}
	return out
}

func setOf(s policy.Set) Set {
	out := Set{Name: s.Name}
	switch spec := s.Spec.(type) {
	case *abi.Pods:
		out.Pods = &Pods{Namespaces: spec.Namespaces, PodSelector: requirements(spec.PodSelector)}
		if spec.NamespaceSelector != nil {
			all := requirements(*spec.NamespaceSelector)
			out.Pods.NamespaceSelector = &all
		}
	case *abi.Nodes:
		out.Nodes = requirements(spec.Selector)
	case *abi.Addresses:
		out.Addresses = []Block{}
		for _, b := range spec.Blocks {
			out.Addresses = append(out.Addresses, Block(b))
		}
	}
	return out
}

// requirements are written as kubectl takes them.
func requirements(s abi.Selector) []string {
	list := []string{}
	for _, r := range s.Requirements {
		values := "(" + strings.Join(r.Values, ",") + ")"
		switch {
		case r.Operator == abi.In && len(r.Values) == 1:
			list = append(list, r.Key+"="+r.Values[0])
		case r.Operator == abi.In:
			list = append(list, r.Key+" in "+values)
		case r.Operator == abi.NotIn:
			list = append(list, r.Key+" notin "+values)
		case r.Operator == abi.Exists:
			list = append(list, r.Key)
		default:
			list = append(list, "!"+r.Key)
		}
	}
	return list
}

func portText(p abi.Port) string {
	name := policy.ProtocolName(p.Protocol)
	number := strconv.Itoa(int(p.First))
	switch {
	case p.ICMP != nil && p.ICMP.AnyCode:
		return name + "/type " + strconv.Itoa(int(p.ICMP.Type))
	case p.ICMP != nil:
		return name + "/type " + strconv.Itoa(int(p.ICMP.Type)) + " code " + strconv.Itoa(int(p.ICMP.Code))
	case p.Name != "":
		return name + "/" + p.Name
	case p.First == 0 && p.Last == 0:
		return name
	case p.Last > p.First:
		return name + "/" + number + "-" + strconv.Itoa(int(p.Last))
	}
	return name + "/" + number
}
