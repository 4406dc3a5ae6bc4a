package main

import (
	"cmp"
	"slices"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/dns"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// Resource is the resource of the policies.
const Resource = "fqdnpolicies.policy.sluice.dev"

func init() { sluice.Register(newModule) }

func main() {}

func newModule() sluice.Module {
	m := &module{}
	m.Reset()
	return m
}

// module knows the policies' patterns and the names' addresses, and declares a set
// for each pattern that some policy names.
type module struct {
	patterns map[string]int      // how many policies name each
	policies map[string][]string // patterns, by the object's ID
	answers  map[string][]string // addresses, by name
	changed  map[string]struct{} // patterns whose set must be declared again
}

// Reset forgets everything.
func (m *module) Reset() {
	m.patterns, m.policies = map[string]int{}, map[string][]string{}
	m.answers, m.changed = map[string][]string{}, map[string]struct{}{}
}

// Configure has nothing to set.
func (m *module) Configure(*sluice.Tx, []byte) error { return nil }

// Put takes a policy, or what is known of a name.
func (m *module) Put(tx *sluice.Tx, o sluice.Object) error {
	switch o.Resource {
	case Resource:
		return m.putPolicy(tx, o)
	case abi.DNSAnswers:
		answer, err := dns.Read(o.JSON)
		if err != nil {
			return err // the host's own words: there is no author to tell
		}
		m.know(answer.Name, answer.Addresses)
	}
	return nil
}

// Delete forgets a policy or a name.
func (m *module) Delete(tx *sluice.Tx, o sluice.Object) error {
	switch o.Resource {
	case Resource:
		m.name(o.ID(), nil)
		return tx.Declare(o.ID())
	case abi.DNSAnswers:
		m.know(o.Name, nil)
	}
	return nil
}

func (m *module) putPolicy(tx *sluice.Tx, o sluice.Object) error {
	condition := abi.Condition{Type: "Accepted", True: true, Reason: "Translated"}
	p, err := read(o.JSON)
	if err == nil {
		err = kube.CheckNamespace(o.Namespace)
	}
	if err != nil {
		// What it said before stays in force.
		condition = abi.Condition{Type: "Accepted", Reason: "Invalid", Message: err.Error()}
		return tx.Report(o.Origin(""), condition)
	}
	m.name(o.ID(), p.patterns())
	if err := tx.Declare(o.ID(), requests(o, p)...); err != nil {
		return err
	}
	return tx.Report(o.Origin(""), condition)
}

// name notes which patterns a policy names.
func (m *module) name(policy string, patterns []string) {
	for _, p := range patterns {
		m.patterns[p]++
		m.changed[p] = struct{}{}
	}
	for _, p := range m.policies[policy] {
		if m.patterns[p]--; m.patterns[p] == 0 {
			delete(m.patterns, p)
		}
		m.changed[p] = struct{}{}
	}
	delete(m.policies, policy)
	if len(patterns) > 0 {
		m.policies[policy] = patterns
	}
}

// know notes which addresses a name has.
func (m *module) know(name string, addresses []string) {
	if len(addresses) == 0 {
		delete(m.answers, name)
	} else {
		m.answers[name] = addresses
	}
	for p := range patternsOf(name) {
		if m.patterns[p] > 0 {
			m.changed[p] = struct{}{}
		}
	}
}

// Finish declares the sets of patterns that have changed.
func (m *module) Finish(tx *sluice.Tx) error {
	for _, p := range sorted(m.changed) {
		if m.patterns[p] == 0 {
			if err := tx.Declare(setName(p)); err != nil {
				return err
			}
			continue
		}
		if err := tx.Declare(setName(p), &abi.PutSet{Name: setName(p), Spec: &abi.Addresses{Blocks: m.blocks(p)}}); err != nil {
			return err
		}
	}
	clear(m.changed)
	return nil
}

// blocks are the addresses of all names that a pattern stands for.
func (m *module) blocks(pattern string) []abi.Block {
	addresses := map[string]struct{}{}
	for name, list := range m.answers {
		if matches(pattern, name) {
			for _, a := range list {
				addresses[a] = struct{}{}
			}
		}
	}
	blocks := make([]abi.Block, 0, len(addresses))
	for _, a := range sorted(addresses) {
		blocks = append(blocks, abi.Block{CIDR: a + hostBits(a)})
	}
	return blocks
}

func hostBits(address string) string {
	for i := range len(address) {
		if address[i] == ':' {
			return "/128"
		}
	}
	return "/32"
}

func sorted(set map[string]struct{}) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	slices.SortFunc(list, cmp.Compare[string])
	return list
}
