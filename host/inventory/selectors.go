package inventory

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// test is one requirement of a selector, its values sorted.
type test struct {
	key      string
	operator abi.Operator
	values   []string
}

// holds is the meaning of a requirement (k8s.io/apimachinery,
// labels.Requirement.Matches): NotIn and DoesNotExist hold if the key is
// absent.
func (t *test) holds(value string, present bool) bool {
	switch t.operator {
	case abi.In:
		return present && t.has(value)
	case abi.NotIn:
		return !present || !t.has(value)
	case abi.Exists:
		return present
	default:
		return !present
	}
}

func (t *test) has(value string) bool {
	if len(t.values) == 1 {
		return t.values[0] == value
	}
	_, found := slices.BinarySearch(t.values, value)
	return found
}

// parseSelector checks a selector and brings it into the form that is tested.
func parseSelector(s abi.Selector) ([]test, error) {
	tests := make([]test, 0, len(s.Requirements))
	for i, r := range s.Requirements {
		switch r.Operator {
		case abi.In, abi.NotIn:
			if len(r.Values) == 0 {
				return nil, fmt.Errorf("requirements[%d] on %q: In and NotIn need at least one value", i, r.Key)
			}
		case abi.Exists, abi.DoesNotExist:
			if len(r.Values) != 0 {
				return nil, fmt.Errorf("requirements[%d] on %q: Exists and DoesNotExist take no values", i, r.Key)
			}
		default:
			return nil, fmt.Errorf("requirements[%d] on %q: operator %d is not known", i, r.Key, r.Operator)
		}
		values := slices.Clone(r.Values)
		slices.Sort(values)
		tests = append(tests, test{key: r.Key, operator: r.Operator, values: slices.Compact(values)})
	}
	return tests, nil
}

// podTest is a test with the record of its key, so that it looks for a label
// by address and not by text.
type podTest struct {
	test
	record *labelKey
	wanted []*label // for In: the labels that satisfy it, counted
}

func (c *class) satisfies(tests []podTest) bool {
	for i := range tests {
		t := &tests[i]
		value, present := "", false
		for _, l := range c.labels {
			if l.key == t.record {
				value, present = l.value, true
				break
			}
		}
		if !t.holds(value, present) {
			return false
		}
	}
	return true
}

func (ns *namespace) satisfies(tests []test) bool {
	for i := range tests {
		t := &tests[i]
		value, present := "", false
		for j := range ns.labels {
			if ns.labels[j].key == t.key {
				value, present = ns.labels[j].value, true
				break
			}
		}
		if !t.holds(value, present) {
			return false
		}
	}
	return true
}
