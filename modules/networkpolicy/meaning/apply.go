package meaning

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// Meaning is what a module has said. The zero Meaning is nothing.
type Meaning struct {
	sets       map[string]abi.SetSpec
	Rules      map[string]abi.RuleSpec
	Isolations map[string]abi.IsolationSpec
}

// Of is what the requests of one object say. It refuses what a host refuses:
// empty sets, names given twice or too long, a set that is named before it is
// put. Reports say nothing of connections.
func Of(requests []abi.Request) (*Meaning, error) {
	m := &Meaning{map[string]abi.SetSpec{}, map[string]abi.RuleSpec{}, map[string]abi.IsolationSpec{}}
	for _, request := range requests {
		var name string
		var uses []string
		var again bool
		switch r := request.(type) {
		case *abi.PutSet:
			name = r.Name
			_, again = m.sets[name]
			m.sets[name] = r.Spec
			if err := refuseEmpty(r.Spec); err != nil {
				return nil, fmt.Errorf("set %q: %w", name, err)
			}
		case *abi.PutRule:
			name = r.Name
			_, again = m.Rules[name]
			m.Rules[name] = r.Spec
			uses = append(slices.Clone(r.Spec.Subjects), r.Spec.Peers...)
			if r.Spec.AnyPeer != (len(r.Spec.Peers) == 0) || len(r.Spec.Subjects) == 0 {
				return nil, fmt.Errorf("rule %q: subjects %q, any peer %t, peers %q", name, r.Spec.Subjects, r.Spec.AnyPeer, r.Spec.Peers)
			}
		case *abi.PutIsolation:
			name = r.Name
			_, again = m.Isolations[name]
			m.Isolations[name] = r.Spec
			uses = r.Spec.Subjects
		case *abi.Report:
			continue
		default:
			return nil, fmt.Errorf("%T is no request of a translator", request)
		}
		if again || name == "" || len(name) > abi.MaxName {
			return nil, fmt.Errorf("name %q: given twice, empty or too long", name)
		}
		for _, set := range uses {
			if m.sets[set] == nil {
				return nil, fmt.Errorf("%q names the set %q, which is not there yet", name, set)
			}
		}
	}
	return m, nil
}

func refuseEmpty(spec abi.SetSpec) error {
	switch s := spec.(type) {
	case *abi.Pods:
		if len(s.Namespaces) == 0 && s.NamespaceSelector == nil {
			return fmt.Errorf("no scope")
		}
	case *abi.Addresses:
		if len(s.Blocks) == 0 {
			return fmt.Errorf("no blocks")
		}
	}
	return nil
}

// Add adds what other says; sets that both have must be equal.
func (m *Meaning) Add(other *Meaning) error {
	for name, set := range other.sets {
		if mine, ok := m.sets[name]; ok && !reflect.DeepEqual(mine, set) {
			return fmt.Errorf("set %q has two meanings", name)
		}
	}
	if m.sets == nil {
		*m = Meaning{map[string]abi.SetSpec{}, map[string]abi.RuleSpec{}, map[string]abi.IsolationSpec{}}
	}
	for name, set := range other.sets {
		m.sets[name] = set
	}
	for name, rule := range other.Rules {
		if _, taken := m.Rules[name]; taken {
			return fmt.Errorf("two objects have a rule %q", name)
		}
		m.Rules[name] = rule
	}
	for name, isolation := range other.Isolations {
		if _, taken := m.Isolations[name]; taken {
			return fmt.Errorf("two objects have an isolation %q", name)
		}
		m.Isolations[name] = isolation
	}
	return nil
}
