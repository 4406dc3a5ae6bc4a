package inventory

import (
	"maps"
	"net/netip"
	"strings"
)

// node is never changed after it was put into the map.
type node struct {
	name   string
	labels map[string]string
	addrs  []netip.Addr
}

func (n *node) satisfies(tests []test) bool {
	for i := range tests {
		value, present := n.labels[tests[i].key]
		if !tests[i].holds(value, present) {
			return false
		}
	}
	return true
}

// PutNode says that a node exists with these labels and addresses. It costs
// one evaluation per acquired set of nodes.
func (inv *Inventory) PutNode(n Node) {
	old, there := inv.nodes.Get(n.Name)
	if there && maps.Equal(old.labels, n.Labels) && sameAddrs(old.addrs, n.Addresses) {
		return
	}
	inv.published = nil
	next := &node{name: strings.Clone(n.Name), labels: maps.Clone(n.Labels), addrs: normaliseAll(n.Addresses)}
	inv.nodes.Set(next.name, next)
	for s := range inv.nodeSets {
		if next.satisfies(s.nodeTests) {
			inv.blocks.markAddrs(s, next.addrs, +1)
		}
		if there && old.satisfies(s.nodeTests) {
			inv.blocks.markAddrs(s, old.addrs, -1)
		}
	}
}

// DeleteNode says that the node object is gone.
func (inv *Inventory) DeleteNode(name string) {
	old, there := inv.nodes.Get(name)
	if !there {
		return
	}
	inv.published = nil
	inv.nodes.Delete(name)
	for s := range inv.nodeSets {
		if old.satisfies(s.nodeTests) {
			inv.blocks.markAddrs(s, old.addrs, -1)
		}
	}
}
