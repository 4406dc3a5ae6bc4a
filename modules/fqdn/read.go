package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// policy is the spec of an FQDNPolicy.
type policy struct {
	subjects abi.Selector
	egress   []rule
}

type rule struct {
	names []string
	ports []abi.Port
}

// patterns are all that the policy names, each once.
func (p policy) patterns() []string {
	var all []string
	for _, r := range p.egress {
		all = append(all, r.names...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// read reads an FQDNPolicy. The error is a *kube.FieldError.
func read(json []byte) (policy, error) {
	var p policy
	specified := false
	d := jsonscan.New(json)
	_, err := kube.Object(d, func(field []byte) (err error) {
		if string(field) != "spec" {
			return kube.ErrUnknown
		}
		specified = true
		p, err = readSpec(d)
		return err
	})
	if err == nil && !specified {
		return p, &kube.FieldError{Path: "spec", Reason: "is required"}
	}
	return p, kube.ReadError(err)
}

func readSpec(d *jsonscan.Decoder) (p policy, err error) {
	seen, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "podSelector":
			p.subjects, err = kube.Selector(d)
		case "egress":
			err = kube.List(d, func() error {
				r, err := readRule(d)
				p.egress = append(p.egress, r)
				return err
			})
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	if err == nil {
		err = seen.NotOnlyUnknown(d, "isolates every Pod of the namespace")
	}
	return p, err
}

func readRule(d *jsonscan.Decoder) (r rule, err error) {
	_, err = kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "names":
			err = kube.List(d, func() error {
				name, err := d.String()
				if err != nil {
					return err
				}
				name = strings.TrimSuffix(name, ".")
				if reason := checkPattern(name); reason != "" {
					return d.Fail(reason)
				}
				r.names = append(r.names, name)
				return nil
			})
		case "ports":
			r.ports, err = kube.PolicyPorts(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	slices.Sort(r.names)
	r.names = slices.Compact(r.names)
	if err == nil && len(r.names) == 0 {
		err = kube.Wrong(d, "names", "is required: a rule without names would allow nothing")
	}
	return r, err
}

// requests are what a policy stands for. The sets of its patterns are declared by
// themselves.
func requests(o sluice.Object, p policy) []abi.Request {
	var sets kube.Sets
	subjects := []string{sets.PodsIn(o.Namespace, p.subjects)}
	path := o.Namespace + "/" + o.Name + "/egress"
	var decisions []abi.Request
	for i, r := range p.egress {
		place := "egress[" + strconv.Itoa(i) + "]"
		var peers []string
		for _, name := range r.names {
			peers = append(peers, setName(name))
		}
		decisions = append(decisions, &abi.PutRule{Name: kube.Name(path + "[" + strconv.Itoa(i) + "]"), Spec: abi.RuleSpec{
			Tier: abi.Network, Direction: abi.Egress, Subjects: subjects, Peers: peers, Ports: r.ports, Action: abi.Allow, Origin: o.Origin(place),
		}})
	}
	decisions = append(decisions, &abi.PutIsolation{Name: kube.Name(path), Spec: abi.IsolationSpec{
		Tier: abi.Network, Direction: abi.Egress, Subjects: subjects, Origin: o.Origin("egress"),
	}})
	return append(sets.Requests(), decisions...)
}
