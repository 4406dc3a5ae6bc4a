package inventory

import "fmt"

// Leftovers says which records an inventory still keeps.
func Leftovers(inv *Inventory) string {
	counts := map[string]int{
		"keys": len(inv.keys), "namespaces": len(inv.namespaces), "pods": inv.pods.Len(), "owners": inv.owners.Len(),
		"contested": len(inv.contested), "nodes": inv.nodes.Len(), "spaces": inv.spaces.Len(), "portNames": len(inv.portNames),
		"classes": len(inv.classes), "byKey": len(inv.byKey), "sets": len(inv.sets), "spaceIndex": len(inv.spaceIndex),
		"spaceKeys": len(inv.spaceKeys), "uncovered": len(inv.uncovered.sets), "nodeSets": len(inv.nodeSets),
		"unscanned": len(inv.unscanned), "restless": len(inv.restless), "restlessPN": len(inv.restlessPN), "unsettled": len(inv.unsettled),
		"blocks": len(inv.blocks.byID), "members": len(inv.blocks.byMembers),
	}
	for what, n := range counts {
		if n == 0 {
			delete(counts, what)
		}
	}
	if inv.blocks.four != nil || inv.blocks.six != nil {
		counts["trie"] = 1
	}
	if len(counts) == 0 {
		return ""
	}
	return fmt.Sprint(counts)
}
