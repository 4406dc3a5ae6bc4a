package moduletest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
)

// State is what a module has in force, by name.
type State struct {
	Sets       map[string]abi.SetSpec
	Rules      map[string]abi.RuleSpec
	Isolations map[string]abi.IsolationSpec
}

func newState() State {
	return State{map[string]abi.SetSpec{}, map[string]abi.RuleSpec{}, map[string]abi.IsolationSpec{}}
}

func (s State) clone() State {
	return State{maps.Clone(s.Sets), maps.Clone(s.Rules), maps.Clone(s.Isolations)}
}

// apply changes the state by one request. The error says why a host would not
// stage it.
func (s State) apply(r abi.Request) (abi.EmitError, error) {
	name := nameOf(r)
	if len(name) > abi.MaxName {
		return abi.TooLarge, fmt.Errorf("%T: name %q has %d bytes, at most %d are allowed", r, name, len(name), abi.MaxName)
	}
	if _, report := r.(*abi.Report); !report && name == "" {
		return abi.Malformed, fmt.Errorf("%T has no name", r)
	}
	switch r := r.(type) {
	case *abi.PutSet:
		if err := checkSet(r.Spec); err != nil {
			return abi.Malformed, fmt.Errorf("set %s: %w", name, err)
		}
		s.Sets[name] = r.Spec
	case *abi.PatchSet:
		old, ok := s.Sets[name].(*abi.Addresses)
		if !ok {
			return abi.UnknownSet, fmt.Errorf("patch of set %s: there is no such set of addresses", name)
		}
		s.Sets[name] = patched(old, r)
	case *abi.DeleteSet:
		delete(s.Sets, name)
	case *abi.PutRule:
		if err := checkRule(&r.Spec); err != nil {
			return abi.Malformed, fmt.Errorf("rule %s: %w", name, err)
		}
		if code, err := s.checkNames("rule "+name, r.Spec.Subjects, r.Spec.Peers); err != nil {
			return code, err
		}
		s.Rules[name] = r.Spec
	case *abi.DeleteRule:
		delete(s.Rules, name)
	case *abi.PutIsolation:
		if len(r.Spec.Subjects) == 0 || r.Spec.Tier == 0 || r.Spec.Direction == 0 {
			return abi.Malformed, fmt.Errorf("isolation %s: tier, direction and subjects are needed", name)
		}
		if code, err := s.checkNames("isolation "+name, r.Spec.Subjects, nil); err != nil {
			return code, err
		}
		s.Isolations[name] = r.Spec
	case *abi.DeleteIsolation:
		delete(s.Isolations, name)
	}
	return abi.OK, nil
}

func nameOf(r abi.Request) string {
	switch r := r.(type) {
	case *abi.PutSet:
		return r.Name
	case *abi.PatchSet:
		return r.Name
	case *abi.DeleteSet:
		return r.Name
	case *abi.PutRule:
		return r.Name
	case *abi.DeleteRule:
		return r.Name
	case *abi.PutIsolation:
		return r.Name
	case *abi.DeleteIsolation:
		return r.Name
	}
	return ""
}

func patched(old *abi.Addresses, p *abi.PatchSet) *abi.Addresses {
	gone := map[string]bool{}
	for _, cidr := range p.Remove {
		gone[cidr] = true
	}
	for _, b := range p.Add {
		gone[b.CIDR] = true
	}
	blocks := slices.DeleteFunc(slices.Clone(old.Blocks), func(b abi.Block) bool { return gone[b.CIDR] })
	return &abi.Addresses{Blocks: append(blocks, p.Add...)}
}

func checkSet(spec abi.SetSpec) error {
	switch s := spec.(type) {
	case nil:
		return fmt.Errorf("has no spec")
	case *abi.Pods:
		if len(s.Namespaces) == 0 && s.NamespaceSelector == nil {
			return fmt.Errorf("has an empty scope: name namespaces, or give a namespace selector")
		}
	}
	return nil
}

func checkRule(r *abi.RuleSpec) error {
	switch {
	case r.Tier == 0 || r.Direction == 0 || r.Action == 0:
		return fmt.Errorf("tier, direction and action are needed")
	case len(r.Subjects) == 0:
		return fmt.Errorf("has no subjects")
	case r.AnyPeer && len(r.Peers) > 0:
		return fmt.Errorf("has both peers and any_peer: give one of them")
	case !r.AnyPeer && len(r.Peers) == 0:
		return fmt.Errorf("has no peers: for any peer set any_peer")
	}
	for _, p := range r.Ports {
		if p.First > p.Last {
			return fmt.Errorf("port range %d-%d ends before it begins", p.First, p.Last)
		}
	}
	return nil
}

// checkNames checks the names of sets in a request when it is staged.
func (s State) checkNames(what string, subjects, peers []string) (abi.EmitError, error) {
	for _, n := range subjects {
		if spec, ok := s.Sets[n]; ok {
			if _, pods := spec.(*abi.Pods); !pods {
				return abi.Malformed, fmt.Errorf("%s has subject %s, which is no set of Pods", what, n)
			}
		}
	}
	for _, n := range slices.Concat(subjects, peers) {
		if _, ok := s.Sets[n]; !ok {
			return abi.UnknownSet, fmt.Errorf("%s names set %s, which does not exist: put it first", what, n)
		}
	}
	return abi.OK, nil
}

// check finds sets that were deleted and are still named, at the end of a
// transaction.
func (s State) check() error {
	for _, name := range slices.Sorted(maps.Keys(s.Rules)) {
		r := s.Rules[name]
		if _, err := s.checkNames("rule "+name, r.Subjects, r.Peers); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Isolations)) {
		if _, err := s.checkNames("isolation "+name, s.Isolations[name].Subjects, nil); err != nil {
			return err
		}
	}
	return nil
}

// Requests is the state as the requests that make it, ordered by kind and name.
func (s State) Requests() []abi.Request {
	var all []abi.Request
	for _, name := range slices.Sorted(maps.Keys(s.Sets)) {
		all = append(all, &abi.PutSet{Name: name, Spec: s.Sets[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Isolations)) {
		all = append(all, &abi.PutIsolation{Name: name, Spec: s.Isolations[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Rules)) {
		all = append(all, &abi.PutRule{Name: name, Spec: s.Rules[name]})
	}
	return all
}

// difference says in lines what one state has and the other has not; blocks of a
// set of addresses may be in any order.
func difference(a, b State, nameA, nameB string) string {
	var out strings.Builder
	inA, inB := encodings(a), encodings(b)
	all := maps.Clone(inA)
	maps.Copy(all, inB)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		x, hasX := inA[what]
		y, hasY := inB[what]
		switch {
		case !hasY:
			fmt.Fprintf(&out, "%s: only %s\n", what, nameA)
		case !hasX:
			fmt.Fprintf(&out, "%s: only %s\n", what, nameB)
		case x != y:
			fmt.Fprintf(&out, "%s: differs\n  %s: %q\n  %s: %q\n", what, nameA, x, nameB, y)
		}
	}
	return out.String()
}

func encodings(s State) map[string]string {
	m := map[string]string{}
	for _, r := range s.Requests() {
		if put, ok := r.(*abi.PutSet); ok {
			if addresses, ok := put.Spec.(*abi.Addresses); ok {
				sorted := slices.SortedFunc(slices.Values(addresses.Blocks), func(a, b abi.Block) int { return strings.Compare(a.CIDR, b.CIDR) })
				r = &abi.PutSet{Name: put.Name, Spec: &abi.Addresses{Blocks: sorted}}
			}
		}
		kind := strings.TrimPrefix(fmt.Sprintf("%T", r), "*abi.Put")
		m[strings.ToLower(kind)+" "+nameOf(r)] = string(abi.AppendRequest(nil, r))
	}
	return m
}
