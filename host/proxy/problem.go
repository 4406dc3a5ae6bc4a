package proxy

import (
	"cmp"
	"fmt"
	"slices"
)

// Problem is one thing in a Service or EndpointSlice that is not served as
// written.
type Problem struct {
	Object string `json:"object"` // "Service shop/web", "EndpointSlice shop/web-x7k2p"
	Field  string `json:"field"`  // "spec.externalIPs[1]"
	Reason string `json:"reason"` // what is wrong and what to do
}

// String is the problem in one line.
func (p Problem) String() string { return p.Object + ": " + p.Field + ": " + p.Reason }

// Problems are all that the last Flush has found, in the order of objects and
// fields.
func (m *Model) Problems() []Problem {
	var all []Problem
	for _, c := range m.compiled {
		all = append(all, c.problems...)
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field))
	})
	return all
}

// complaints collects the problems of one object.
type complaints struct {
	object string
	all    []Problem
}

func (c *complaints) add(field, format string, args ...any) {
	c.all = append(c.all, Problem{Object: c.object, Field: field, Reason: fmt.Sprintf(format, args...)})
}
