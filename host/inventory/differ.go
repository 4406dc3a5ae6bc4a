package inventory

import (
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
)

// differ returns the blocks that are only in old and those that are only in
// next. Equal runs at both ends are passed over; strings that a caller shares
// between the two compare by address.
func differ(old, next []abi.Block) (gone, come []abi.Block) {
	for len(old) > 0 && len(next) > 0 && sameBlock(&old[0], &next[0]) {
		old, next = old[1:], next[1:]
	}
	for len(old) > 0 && len(next) > 0 && sameBlock(&old[len(old)-1], &next[len(next)-1]) {
		old, next = old[:len(old)-1], next[:len(next)-1]
	}
	if len(old) == 0 || len(next) == 0 {
		return old, next
	}
	surplus := make(map[string]int, len(next)) // by text: how many more next has
	for i := range next {
		surplus[blockText(&next[i])]++
	}
	for i := range old {
		text := blockText(&old[i])
		if surplus[text] > 0 {
			surplus[text]--
		} else {
			gone = append(gone, old[i])
		}
	}
	for i := range next {
		text := blockText(&next[i])
		if surplus[text] > 0 {
			surplus[text]--
			come = append(come, next[i])
		}
	}
	return gone, come
}

func sameBlock(a, b *abi.Block) bool { return a.CIDR == b.CIDR && slices.Equal(a.Except, b.Except) }

func blockText(b *abi.Block) string {
	if len(b.Except) == 0 {
		return b.CIDR
	}
	return b.CIDR + "-" + strings.Join(b.Except, "-")
}

// sameSpec compares specs of Pods and Nodes as they are written.
func sameSpec(a, b abi.SetSpec) bool {
	switch a := a.(type) {
	case *abi.Pods:
		b, same := b.(*abi.Pods)
		return same && slices.Equal(a.Namespaces, b.Namespaces) && sameSelector(&a.PodSelector, &b.PodSelector) &&
			(a.NamespaceSelector == nil) == (b.NamespaceSelector == nil) &&
			(a.NamespaceSelector == nil || sameSelector(a.NamespaceSelector, b.NamespaceSelector))
	case *abi.Nodes:
		b, same := b.(*abi.Nodes)
		return same && sameSelector(&a.Selector, &b.Selector)
	}
	return false
}

func sameSelector(a, b *abi.Selector) bool {
	return slices.EqualFunc(a.Requirements, b.Requirements, func(a, b abi.Requirement) bool {
		return a.Key == b.Key && a.Operator == b.Operator && slices.Equal(a.Values, b.Values)
	})
}
