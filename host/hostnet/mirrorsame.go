package hostnet

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/google/nftables"
)

// readTable reads all chains of a table of family ip with their rules.
func readTable(c *nftables.Conn, chains []*nftables.Chain, name string) (have []chainRules, exists bool, err error) {
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return nil, false, fmt.Errorf("list nftables tables of family ip: %w", err)
	}
	exists = slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == name })
	for _, chain := range chains {
		if chain.Table.Name != name {
			continue
		}
		rules, err := c.GetRules(chain.Table, chain)
		if err != nil {
			return nil, exists, fmt.Errorf("read nftables chain ip %s %s: %w", name, chain.Name, err)
		}
		one := chainRules{chain: chain}
		for _, r := range rules {
			one.rules = append(one.rules, uncounted(r.Exprs))
		}
		have = append(have, one)
	}
	return have, exists, nil
}

// sameChains says whether two lists hold the same chains with the same rules, in whatever order the chains are.
func sameChains(a, b []chainRules) bool {
	if len(a) != len(b) {
		return false
	}
	for _, one := range a {
		i := slices.IndexFunc(b, func(other chainRules) bool { return other.chain.Name == one.chain.Name })
		if i < 0 || !sameChain(one.chain, b[i].chain) || !reflect.DeepEqual(one.rules, b[i].rules) {
			return false
		}
	}
	return true
}

func sameChain(a, b *nftables.Chain) bool {
	return a.Type == b.Type && reflect.DeepEqual(a.Hooknum, b.Hooknum) && reflect.DeepEqual(a.Priority, b.Priority)
}
