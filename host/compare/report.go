package compare

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// Report is a Result in words, for people and for JSON.
type Report struct {
	// NewDenies, NewAllows and NewAnswers count pairs of a Pod and another Pod, node
	// or block of addresses that lose or gain some port, or are refused otherwise.
	NewDenies  uint64         `json:"newDenies"`
	NewAllows  uint64         `json:"newAllows"`
	NewAnswers uint64         `json:"newAnswers"`
	Changes    []ReportChange `json:"changes"`
	Left       int            `json:"left,omitempty"` // changes that are not listed
}

// ReportChange is one Change.
type ReportChange struct {
	Kind   Kind      `json:"kind"`
	From   ReportEnd `json:"from"`
	To     ReportEnd `json:"to"`
	Family Family    `json:"family,omitempty"` // empty: both
	Ports  []string  `json:"ports"`
	Pairs  uint64    `json:"pairs"`
	Before string    `json:"before"` // the verdict and who decided
	After  string    `json:"after"`
}

// ReportEnd is one End.
type ReportEnd struct {
	Kind  EndKind  `json:"kind"`
	Names []string `json:"names"`
	Count int      `json:"count"`
}

// Report says it in words.
func (r Result) Report() Report {
	out := Report{NewDenies: r.NewDenies, NewAllows: r.NewAllows, NewAnswers: r.Answers, Left: r.Left, Changes: []ReportChange{}}
	for _, c := range r.Changes {
		one := ReportChange{
			Kind: c.Kind, Family: c.Family, Pairs: c.Pairs, From: ReportEnd(c.From), To: ReportEnd(c.To),
			Before: decided(c.Before), After: decided(c.After),
		}
		for _, p := range c.Ports {
			one.Ports = append(one.Ports, p.String())
		}
		out.Changes = append(out.Changes, one)
	}
	return out
}

// String is the change in one line.
func (c Change) String() string {
	var ports []string
	for _, p := range c.Ports {
		ports = append(ports, p.String())
	}
	family := ""
	if c.Family != Both {
		family = " (" + string(c.Family) + ")"
	}
	return fmt.Sprintf("%s to %s, %s%s: %s, was %s", c.From, c.To, strings.Join(ports, " "), family, decided(c.After), decided(c.Before))
}

// decided is the verdict of the end that refuses, or of the one that some rule
// lets through.
func decided(v policy.Verdict) string {
	d := v.Egress
	if v.Egress.Verdict == abi.Allow && (v.Ingress.Verdict != abi.Allow || d.Tier == 0) {
		d = v.Ingress
	}
	by := "nothing denies"
	switch o := d.Origin; {
	case d.Tier == 0:
	case o.Name == "":
		by = d.Name
	case o.Namespace != "":
		by = strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", o.Resource, o.Namespace, o.Name, o.Rule))
	default:
		by = strings.TrimSpace(fmt.Sprintf("%s %s %s", o.Resource, o.Name, o.Rule))
	}
	return fmt.Sprintf("%s (%s)", policy.ActionName(d.Verdict), by)
}
