package bench

import (
	"slices"

	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// This file counts what a compiler without classes would install: for every rule
// with a subject on this node one flow per address of a subject, one per address
// of a peer, one per port, and one for the verdict. That is the usual way with
// conjunctions; one flow per pair of addresses would be many times as much.

// perMember counts these flows for all rules, with so many addresses per Pod.
func perMember(n *node, families int) (flows int) {
	for r := range n.layer.Rules() {
		subjects := members(n, r, r.Spec.Subjects, true)
		if subjects == 0 {
			continue
		}
		flows += families*(subjects+members(n, r, r.Spec.Peers, false)) + max(1, len(r.Spec.Ports)) + 1
	}
	return flows
}

// members counts the Pods of the sets; local: those on this node.
func members(n *node, r policy.Rule, sets []string, local bool) (pods int) {
	var seen []inventory.ClassID
	for _, name := range sets {
		for _, id := range n.inv.SetClasses(policy.Key{Module: r.Module, Name: name}) {
			if slices.Contains(seen, id) {
				continue
			}
			if len(sets) > 1 {
				seen = append(seen, id)
			}
			info, _ := n.inv.ClassInfo(id)
			if local {
				pods += info.Local
			} else {
				pods += info.Pods
			}
		}
	}
	return pods
}

// naming counts the rules in force here that name the class: as a peer, or, if
// the Pod is on this node, as a subject.
func naming(n *node, id inventory.ClassID, local bool) (rules int) {
	in := func(r policy.Rule, sets []string) bool {
		return slices.ContainsFunc(sets, func(name string) bool {
			_, found := slices.BinarySearch(n.inv.SetClasses(policy.Key{Module: r.Module, Name: name}), id)
			return found
		})
	}
	for r := range n.layer.Rules() {
		if members(n, r, r.Spec.Subjects, true) > 0 && in(r, r.Spec.Peers) {
			rules++
		}
		if local && in(r, r.Spec.Subjects) {
			rules++
		}
	}
	return rules
}
