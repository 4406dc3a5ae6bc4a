package compare

import (
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// side is all policy of one moment, with sets resolved to classes and blocks.
type side struct {
	view  policy.View
	sets  map[policy.Key]policy.Set
	keys  map[policy.Key]inventory.SetKey // under which the world knows the sets
	rules []*rule

	about     [directions]map[inventory.ClassID][]*rule // that have the class as a subject, in the order in which they are asked
	differing [directions]map[inventory.ClassID][]*rule // those of them that the other side does not have
	classes   map[inventory.SetKey]map[inventory.ClassID]bool
	blocks    map[inventory.SetKey]map[inventory.BlockID]bool
}

// directions is one more than the last, so that a direction is an index.
const directions = abi.Egress + 1

// rule is a rule, or an isolation, of a side.
type rule struct {
	policy.Rule
	spec      *abi.RuleSpec
	isolation bool
}

func newSide(inv *inventory.Snapshot, layers []*policy.Layer) *side {
	s := &side{
		view: policy.View{Inventory: inv, Layers: layers},
		sets: map[policy.Key]policy.Set{}, keys: map[policy.Key]inventory.SetKey{},
		classes: map[inventory.SetKey]map[inventory.ClassID]bool{}, blocks: map[inventory.SetKey]map[inventory.BlockID]bool{},
	}
	for _, l := range layers {
		for set := range l.Sets() {
			s.sets[set.Key] = set
		}
		for r := range l.Rules() {
			r := &rule{Rule: r}
			r.spec = &r.Spec
			s.rules = append(s.rules, r)
		}
		for i := range l.Isolations() {
			// An isolation is what is asked after every rule of its tier: a rule
			// about any peer that denies.
			r := &rule{isolation: true, Rule: policy.Rule{Key: i.Key, Spec: abi.RuleSpec{
				Tier: i.Spec.Tier, Direction: i.Spec.Direction, Subjects: i.Spec.Subjects, AnyPeer: true, Action: abi.Deny, Origin: i.Spec.Origin,
			}}}
			r.spec = &r.Spec
			s.rules = append(s.rules, r)
		}
	}
	slices.SortFunc(s.rules, compareRules)
	return s
}

// compareRules orders as they are asked.
func compareRules(a, b *rule) int {
	switch {
	case a.spec.Tier != b.spec.Tier:
		return int(a.spec.Tier) - int(b.spec.Tier)
	case a.isolation != b.isolation:
		if b.isolation {
			return -1
		}
		return 1
	case policy.Precedes(&a.Rule, &b.Rule):
		return -1
	case policy.Precedes(&b.Rule, &a.Rule):
		return 1
	}
	return 0
}

func (s *side) sameSet(name policy.Key, set policy.Set) bool {
	mine, there := s.sets[name]
	return there && policy.SameSet(mine.Spec, set.Spec)
}

// enter reads who is in which set.
func (s *side) enter(inv *inventory.Inventory) {
	for _, key := range s.keys {
		classes, blocks := map[inventory.ClassID]bool{}, map[inventory.BlockID]bool{}
		for _, id := range inv.SetClasses(key) {
			classes[id] = true
		}
		for _, id := range inv.SetBlocks(key) {
			blocks[id] = true
		}
		s.classes[key], s.blocks[key] = classes, blocks
	}
	for d := range s.about {
		s.about[d] = map[inventory.ClassID][]*rule{}
		s.differing[d] = map[inventory.ClassID][]*rule{}
	}
	for _, r := range s.rules { // in the order in which they are asked
		for _, id := range s.subjects(r) {
			s.about[r.spec.Direction][id] = append(s.about[r.spec.Direction][id], r)
		}
	}
}

// subjects are the classes that a rule is about, each once.
func (s *side) subjects(r *rule) []inventory.ClassID {
	var ids []inventory.ClassID
	for _, name := range r.spec.Subjects {
		for id := range s.classes[s.key(r, name)] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (s *side) key(r *rule, set string) inventory.SetKey {
	return s.keys[policy.Key{Module: r.Module, Name: set}]
}

// markChanged finds the rules that the other side does not have, or has with
// other sets or in another place.
func (s *side) markChanged(sides []*side) {
	other := sides[0]
	if other == s {
		other = sides[1]
	}
	type name struct {
		policy.Key
		isolation bool
	}
	theirs := make(map[name]*rule, len(other.rules))
	for _, r := range other.rules {
		theirs[name{r.Key, r.isolation}] = r
	}
	for _, r := range s.rules {
		twin := theirs[name{r.Key, r.isolation}]
		differs := twin == nil || twin.Order != r.Order || !policy.SameRule(twin.spec, r.spec) ||
			slices.ContainsFunc(slices.Concat(r.spec.Subjects, r.spec.Peers), func(set string) bool { return s.key(r, set) != other.key(twin, set) })
		if differs {
			for _, id := range s.subjects(r) {
				s.differing[r.spec.Direction][id] = append(s.differing[r.spec.Direction][id], r)
			}
		}
	}
}

// changed says whether a rule that differs is about this subject and peer.
func (s *side) changed(d abi.Direction, subject, peer *end) bool {
	if subject.kind != Pods {
		return false
	}
	return slices.ContainsFunc(s.differing[d][subject.class], func(r *rule) bool {
		return slices.ContainsFunc(peer.slots, func(p slot) bool { return s.meets(r, peer, p) })
	})
}

// meets says whether the peer's address in this slot is one of the rule's peers.
func (s *side) meets(r *rule, peer *end, at slot) bool {
	if r.spec.AnyPeer {
		return true
	}
	return slices.ContainsFunc(r.spec.Peers, func(name string) bool {
		key := s.key(r, name)
		return s.blocks[key][at.block] || peer.kind == Pods && s.classes[key][peer.class]
	})
}

// relevant are the rules about this subject and peer, in the order in which they
// are asked.
func (s *side) relevant(d abi.Direction, subject, peer *end, at slot) []*rule {
	if subject.kind != Pods {
		return nil
	}
	var list []*rule
	for _, r := range s.about[d][subject.class] {
		if s.meets(r, peer, at) {
			list = append(list, r)
		}
	}
	return list
}

// decide asks rules in their order; it returns Allow, Deny or Reject and the
// rule that refuses.
func (s *side) decide(rules []*rule, packet policy.Packet) (abi.Action, *rule) {
	var left abi.Tier // a rule said to leave this tier
	// A Pod that meets itself through a Service is not NetworkPolicy's business
	// (SEMANTICS 19).
	itself := packet.Source == packet.Destination
	for _, r := range rules {
		if r.spec.Tier == left || r.spec.Tier == abi.Network && itself || !policy.Admits(s.view, r.spec.Ports, packet) {
			continue
		}
		switch r.spec.Action {
		case abi.Pass:
			left = r.spec.Tier
		case abi.Allow:
			return abi.Allow, nil
		default:
			return r.spec.Action, r
		}
	}
	return abi.Allow, nil
}
