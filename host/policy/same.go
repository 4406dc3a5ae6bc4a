package policy

import (
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// SameSet says whether two canonical specs are equal.
func SameSet(a, b abi.SetSpec) bool {
	switch a := a.(type) {
	case *abi.Pods:
		b, is := b.(*abi.Pods)
		return is && slices.Equal(a.Namespaces, b.Namespaces) && sameSelector(a.PodSelector, b.PodSelector) &&
			(a.NamespaceSelector == nil) == (b.NamespaceSelector == nil) &&
			(a.NamespaceSelector == nil || sameSelector(*a.NamespaceSelector, *b.NamespaceSelector))
	case *abi.Nodes:
		b, is := b.(*abi.Nodes)
		return is && sameSelector(a.Selector, b.Selector)
	case *abi.Addresses:
		b, is := b.(*abi.Addresses)
		return is && slices.EqualFunc(a.Blocks, b.Blocks, func(a, b abi.Block) bool {
			return a.CIDR == b.CIDR && slices.Equal(a.Except, b.Except)
		})
	}
	return false
}

func sameSelector(a, b abi.Selector) bool {
	return slices.EqualFunc(a.Requirements, b.Requirements, sameRequirement)
}

func sameRequirement(a, b abi.Requirement) bool {
	return a.Key == b.Key && a.Operator == b.Operator && slices.Equal(a.Values, b.Values)
}

// SameRule says whether two canonical specs are equal, who wrote them included.
func SameRule(a, b *abi.RuleSpec) bool {
	return a.Tier == b.Tier && a.Direction == b.Direction && a.Priority == b.Priority &&
		a.Action == b.Action && a.AnyPeer == b.AnyPeer && a.Log == b.Log && a.Origin == b.Origin &&
		slices.Equal(a.Subjects, b.Subjects) && slices.Equal(a.Peers, b.Peers) &&
		slices.EqualFunc(a.Ports, b.Ports, func(a, b abi.Port) bool { return comparePorts(a, b) == 0 })
}

// SameIsolation says whether two canonical specs are equal, who wrote them
// included.
func SameIsolation(a, b *abi.IsolationSpec) bool {
	return a.Tier == b.Tier && a.Direction == b.Direction && a.Origin == b.Origin && slices.Equal(a.Subjects, b.Subjects)
}
