package kube

import (
	"strings"

	"github.com/sluice-net/sluice/abi"
)

// Sets collects the sets that the rules of one object name, each once. A name
// tells the whole content of the set, so objects that mean the same Pods or
// addresses share the set, and a set never changes under a rule.
type Sets struct {
	puts  []abi.Request
	named map[string]bool
}

// PodsIn names the Pods of one namespace that sel selects.
func (c *Sets) PodsIn(namespace string, sel abi.Selector) string {
	return c.put("pods:"+namespace+"|"+SelectorText(sel), &abi.Pods{Namespaces: []string{namespace}, PodSelector: sel})
}

// PodsOf names the Pods that sel selects in the namespaces that namespaces
// selects.
func (c *Sets) PodsOf(namespaces, sel abi.Selector) string {
	name := "pods:[" + SelectorText(namespaces) + "]|" + SelectorText(sel)
	return c.put(name, &abi.Pods{NamespaceSelector: &namespaces, PodSelector: sel})
}

// Nodes names the addresses of the nodes that sel selects.
func (c *Sets) Nodes(sel abi.Selector) string {
	return c.put("nodes:"+SelectorText(sel), &abi.Nodes{Selector: sel})
}

// Addresses names the union of blocks, which must not be none.
//
// A rule gives all its blocks at once and not each as a set of its own. The host
// numbers address ranges by the sets that contain them, so ranges that always
// occur together get one number and one flow; as every union is made of blocks,
// this can only make the numbers, and the flows of the rule, fewer.
func (c *Sets) Addresses(blocks []Block) string {
	all := union(blocks)
	var name strings.Builder
	name.WriteString("addresses:")
	for i, block := range all {
		if i > 0 {
			name.WriteByte(',')
		}
		name.WriteString(block.CIDR)
		for _, except := range block.Except {
			name.WriteByte('!')
			name.WriteString(except)
		}
	}
	return c.put(name.String(), &abi.Addresses{Blocks: all})
}

// Requests returns a PutSet for each set that was named, in the order in which
// they were.
func (c *Sets) Requests() []abi.Request { return c.puts }

func (c *Sets) put(text string, spec abi.SetSpec) string {
	name := Name(text)
	if !c.named[name] {
		if c.named == nil {
			c.named = make(map[string]bool)
		}
		c.named[name] = true
		c.puts = append(c.puts, &abi.PutSet{Name: name, Spec: spec})
	}
	return name
}
