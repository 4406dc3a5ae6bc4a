package bench

import (
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// naive is the index that one writes first: every selector is asked about every
// Pod that changes.
type naive struct {
	selectors []*abi.Pods
	members   []map[string]struct{} // of each selector, by namespace/name
	pods      map[string]inventory.Pod
}

func newNaive(selectors []*abi.Pods) *naive {
	n := &naive{selectors: selectors, members: make([]map[string]struct{}, len(selectors)), pods: map[string]inventory.Pod{}}
	for i := range n.members {
		n.members[i] = map[string]struct{}{}
	}
	return n
}

func (n *naive) put(p inventory.Pod) {
	key := p.Namespace + "/" + p.Name
	n.pods[key] = p
	for i, s := range n.selectors {
		_, was := n.members[i][key]
		switch is := selects(s, p); {
		case is && !was:
			n.members[i][key] = struct{}{}
		case !is && was:
			delete(n.members[i], key)
		}
	}
}

// selects knows what the measurement needs: namespaces by name.
func selects(s *abi.Pods, p inventory.Pod) bool {
	if !slices.Contains(s.Namespaces, p.Namespace) {
		return false
	}
	for _, r := range s.PodSelector.Requirements {
		value, present := p.Labels[r.Key]
		in := present && slices.Contains(r.Values, value)
		if (r.Operator == abi.In && !in) || (r.Operator == abi.NotIn && in) || (r.Operator == abi.Exists && !present) {
			return false
		}
	}
	return true
}
