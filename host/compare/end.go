package compare

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/host/inventory"
)

// end is all Pods, all nodes or all other addresses that no rule of either side
// can tell apart.
type end struct {
	kind    EndKind
	class   inventory.ClassID // of Pods
	slots   []slot            // of each member's addresses, in their order
	members []member
	perNode map[string]int // Pods of the end on each node
}

// slot is the place of one address of every member.
type slot struct {
	four  bool
	block inventory.BlockID
}

// member is one Pod, one node, or a range of addresses.
type member struct {
	name  string
	node  string       // of a Pod, or the node itself
	addrs []netip.Addr // one for each slot
}

func (e *end) show(names int) End {
	shown := End{Kind: e.kind, Count: len(e.members)}
	for _, m := range e.members[:min(names, len(e.members))] {
		shown.Names = append(shown.Names, m.name)
	}
	return shown
}

// pairOf is a member of each end.
type pairOf struct{ from, to member }

// pick returns a pair of members that stands for all, and how many there are. A
// Pod and itself are no pair, and neither are a Pod and its own node: what
// passes between these is not policy's business.
func pick(from, to *end) (sample pairOf, pairs uint64) {
	pairs = uint64(len(from.members)) * uint64(len(to.members))
	switch {
	case from == to:
		pairs -= uint64(len(from.members))
	case from.kind == Nodes:
		pairs -= onNodes(to, from)
	}
	if pairs == 0 {
		return sample, 0
	}
	for _, f := range from.members {
		for _, t := range to.members {
			itself := from == to && f.name == t.name
			own := from.kind == Nodes && f.node == t.node
			if !itself && !own {
				return pairOf{f, t}, pairs
			}
		}
	}
	return sample, 0
}

// onNodes counts the Pods of one end that run on nodes of the other.
func onNodes(pods, nodes *end) (n uint64) {
	for _, m := range nodes.members {
		n += uint64(pods.perNode[m.node])
	}
	return n
}

// endKey is what the members of an end have in common.
type endKey struct {
	kind  EndKind
	class inventory.ClassID
	slots string
}

// gather puts members with the same key together.
type gather struct {
	byKey map[endKey]*end
	order []*end
}

// add enters a member whose addresses lie in these blocks.
func (g *gather) add(kind EndKind, class inventory.ClassID, m member, blockOf func(netip.Addr) inventory.BlockID) {
	slots := make([]slot, len(m.addrs))
	slices.SortFunc(m.addrs, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(a.BitLen(), b.BitLen()), cmp.Compare(blockOf(a), blockOf(b)), a.Compare(b))
	})
	var text []byte
	for i, a := range m.addrs {
		slots[i] = slot{a.Is4(), blockOf(a)}
		text = append(text, byte(a.BitLen()))
		for shift := 24; shift >= 0; shift -= 8 {
			text = append(text, byte(slots[i].block>>shift))
		}
	}
	key := endKey{kind, class, string(text)}
	e := g.byKey[key]
	if e == nil {
		e = &end{kind: kind, class: class, slots: slots, perNode: map[string]int{}}
		g.byKey[key] = e
		g.order = append(g.order, e)
	}
	e.members = append(e.members, m)
	if kind == Pods {
		e.perNode[m.node]++
	}
}
