package policy

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// Grant is what a module may ask for. The zero Grant grants nothing.
type Grant struct {
	Tiers   []abi.Tier
	Actions []abi.Action
}

// GrantOf reads the words of a manifest or of a PolicyModule: tiers "admin",
// "network", "baseline"; actions "allow", "deny", "reject", "pass".
func GrantOf(tiers, actions []string) (Grant, error) {
	var g Grant
	for _, word := range tiers {
		tier, known := tierOf(word)
		if !known {
			return Grant{}, fmt.Errorf("tier %q is not known: use admin, network or baseline", word)
		}
		g.Tiers = append(g.Tiers, tier)
	}
	for _, word := range actions {
		action, known := actionOf(word)
		if !known {
			return Grant{}, fmt.Errorf("action %q is not known: use allow, deny, reject or pass", word)
		}
		g.Actions = append(g.Actions, action)
	}
	return g, nil
}

// Cut returns what both grant: what a module asks for, cut by what the
// operator gives.
func (g Grant) Cut(other Grant) Grant {
	return Grant{
		Tiers:   slices.DeleteFunc(slices.Clone(g.Tiers), func(t abi.Tier) bool { return !slices.Contains(other.Tiers, t) }),
		Actions: slices.DeleteFunc(slices.Clone(g.Actions), func(a abi.Action) bool { return !slices.Contains(other.Actions, a) }),
	}
}

// Limits of one layer. Zero means the default.
type Limits struct {
	Rules     int // rules and isolations together
	Sets      int
	Addresses int // blocks and excepts of all sets together
}

// The defaults of Limits (abi/README.md, limits).
const (
	DefaultRules     = 100_000
	DefaultSets      = 100_000
	DefaultAddresses = 1_000_000
)

// LimitsOf takes from a manifest's limits what concerns a layer.
func LimitsOf(l abi.Limits) Limits {
	return Limits{Rules: l.Rules, Sets: l.Sets, Addresses: l.Addresses}
}

func (l Limits) withDefaults() Limits {
	if l.Rules == 0 {
		l.Rules = DefaultRules
	}
	if l.Sets == 0 {
		l.Sets = DefaultSets
	}
	if l.Addresses == 0 {
		l.Addresses = DefaultAddresses
	}
	return l
}
