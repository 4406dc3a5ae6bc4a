package hostnet

import (
	"reflect"
	"slices"

	"github.com/google/nftables"
)

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
