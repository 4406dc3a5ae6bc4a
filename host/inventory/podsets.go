package inventory

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

func (inv *Inventory) preparePods(s *set, spec *abi.Pods) error {
	tests, err := parseSelector(spec.PodSelector)
	if err != nil {
		return fmt.Errorf("podSelector: %w", err)
	}
	if spec.NamespaceSelector != nil {
		spaceTests, err := parseSelector(*spec.NamespaceSelector)
		if err != nil {
			return fmt.Errorf("namespaceSelector: %w", err)
		}
		s.spaceSelector = &spaceSelector{tests: spaceTests}
	}
	names := slices.Clone(spec.Namespaces)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		s.names = append(s.names, inv.namespace(name))
	}
	for _, t := range tests {
		pt := podTest{test: t, record: inv.key(t.key)}
		if t.operator == abi.In {
			for _, value := range t.values {
				pt.wanted = append(pt.wanted, inv.intern(t.key, value))
			}
		}
		s.podTests = append(s.podTests, pt)
	}
	return nil
}

// matches evaluates the set's scope and selector on a class.
func (s *set) matches(c *class) bool { return s.covers(c.namespace) && c.satisfies(s.podTests) }

// covers tells whether the namespace is in the set's scope. A namespace
// without an object is selected by name only.
func (s *set) covers(ns *namespace) bool {
	return slices.Contains(s.names, ns) ||
		s.spaceSelector != nil && ns.exists && ns.satisfies(s.spaceSelector.tests)
}

func (s *set) has(c *class) bool {
	_, is := s.classes[c.id]
	return is
}

func (s *set) add(c *class, j *journal) {
	s.classes[c.id] = struct{}{}
	s.classList = nil
	c.sets = append(c.sets, s)
	j.member(s, c.id)
}

// remove takes the class out of the set; the caller drops the set from the
// class.
func (s *set) remove(c *class, j *journal) {
	delete(s.classes, c.id)
	s.classList = nil
	j.member(s, c.id)
}

func (c *class) drop(s *set) {
	if i := slices.Index(c.sets, s); i >= 0 {
		c.sets[i] = c.sets[len(c.sets)-1]
		c.sets[len(c.sets)-1] = nil
		c.sets = c.sets[:len(c.sets)-1]
	}
}
