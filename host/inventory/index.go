package inventory

import (
	"github.com/sluice-net/sluice/abi"
)

// place puts a set of Pods where every class that can match comes by, and as
// few others as possible: under the values of its rarest requirement.
//
// What a place costs later is how many classes come by it. Its popularity is
// guessed by the Pods that have the label now, and, because sets may come
// before Pods, by the sets that are there already: a label that many sets
// share is seldom the one that tells them apart.
func (inv *Inventory) place(s *set) {
	best, cost := func() {}, -1
	consider := func(c int, put func()) {
		if cost < 0 || c < cost {
			best, cost = put, c
		}
	}
	for i := range s.podTests {
		t := &s.podTests[i]
		switch t.operator {
		case abi.In:
			c := 0
			for _, l := range t.wanted {
				c += int(l.pods)
				if l.index != nil {
					c += len(l.index.bucket.sets)
				}
			}
			consider(c, func() {
				for _, l := range t.wanted {
					s.putIn(&l.indexed().bucket, l.unindex)
				}
			})
		case abi.Exists:
			consider(t.record.pods+len(t.record.bucket.sets), func() { s.putIn(&t.record.bucket, nil) })
		}
	}
	if c, put, found := inv.placeByScope(s); found {
		consider(c, put)
	}
	if cost < 0 {
		s.putIn(&inv.uncovered, nil)
		return
	}
	best()
}

// placeByScope finds the place of a set under the names and labels of its
// namespaces.
func (inv *Inventory) placeByScope(s *set) (cost int, put func(), found bool) {
	spaceCost, spacePut := 0, func() {}
	perSpace := inv.pods.Len() / max(1, len(inv.namespaces))
	if s.spaceSelector != nil {
		spaceCost = -1
		for i := range s.spaceSelector.tests {
			t := &s.spaceSelector.tests[i]
			c := 0
			switch t.operator {
			case abi.In:
				for _, value := range t.values {
					if posting := inv.spaceIndex[pair{t.key, value}]; posting != nil {
						c += len(posting.bucket.sets) + len(posting.namespaces)*perSpace
					}
				}
			case abi.Exists:
				c = inv.pods.Len()
			default:
				continue
			}
			if spaceCost < 0 || c < spaceCost {
				spaceCost, spacePut = c, func() { inv.placeBySpaceTest(s, t) }
			}
		}
		if spaceCost < 0 {
			return 0, nil, false
		}
	}
	cost = spaceCost
	for _, ns := range s.names {
		cost += ns.pods + len(ns.bucket.sets)
	}
	return cost, func() {
		spacePut()
		for _, ns := range s.names {
			s.putIn(&ns.bucket, nil)
		}
	}, true
}

func (inv *Inventory) placeBySpaceTest(s *set, t *test) {
	if t.operator == abi.In {
		for _, value := range t.values {
			l := pair{t.key, value}
			s.putIn(&inv.posting(l).bucket, func() { inv.forgetPosting(l) })
		}
		return
	}
	b := inv.spaceKeys[t.key]
	if b == nil {
		b = new(bucket)
		inv.spaceKeys[t.key] = b
	}
	s.putIn(b, func() {
		if len(b.sets) == 0 {
			delete(inv.spaceKeys, t.key)
		}
	})
}

func (s *set) putIn(b *bucket, release func()) {
	b.sets = append(b.sets, s)
	s.places = append(s.places, b)
	if release != nil {
		s.release = append(s.release, release)
	}
}

func (inv *Inventory) unplace(s *set) {
	for _, b := range s.places {
		b.remove(s)
	}
	for _, release := range s.release {
		release()
	}
	s.places, s.release = nil, nil
}

// eachCandidate yields every set that may contain the class, some perhaps
// twice, without looking at the others.
func (inv *Inventory) eachCandidate(c *class, yield func(*set)) {
	for _, l := range c.labels {
		if l.index != nil {
			yieldAll(l.index.bucket.sets, yield)
		}
		yieldAll(l.key.bucket.sets, yield)
	}
	yieldAll(c.namespace.bucket.sets, yield)
	for _, l := range c.namespace.labels {
		if posting := inv.spaceIndex[l]; posting != nil {
			yieldAll(posting.bucket.sets, yield)
		}
		if b := inv.spaceKeys[l.key]; b != nil {
			yieldAll(b.sets, yield)
		}
	}
	yieldAll(inv.uncovered.sets, yield)
}

func yieldAll(sets []*set, yield func(*set)) {
	for _, s := range sets {
		yield(s)
	}
}

// scan finds the classes of a set that was just acquired, through the
// requirement with the fewest classes.
func (inv *Inventory) scan(s *set) {
	take := func(classes map[*class]struct{}) {
		for c := range classes {
			if !s.has(c) && s.matches(c) {
				s.add(c, &inv.journal)
			}
		}
	}
	var rarest *podTest
	fewest := len(inv.classes)
	for i := range s.podTests {
		if t := &s.podTests[i]; t.operator == abi.In {
			n := 0
			for _, l := range t.wanted {
				n += len(l.classes())
			}
			if n <= fewest {
				rarest, fewest = t, n
			}
		}
	}
	inScope := 0
	for _, ns := range s.names {
		inScope += len(ns.classes)
	}
	if rarest != nil && (s.spaceSelector != nil || fewest <= inScope) {
		for _, l := range rarest.wanted {
			take(l.classes())
		}
		return
	}
	for _, ns := range s.names {
		take(ns.classes)
	}
	if s.spaceSelector == nil {
		return
	}
	for ns := range inv.spacesOf(s.spaceSelector.tests) {
		take(ns.classes)
	}
}

// spacesOf returns namespaces among which are all that satisfy the tests.
func (inv *Inventory) spacesOf(tests []test) map[*namespace]struct{} {
	for i := range tests {
		if tests[i].operator != abi.In {
			continue
		}
		some := make(map[*namespace]struct{})
		for _, value := range tests[i].values {
			if posting := inv.spaceIndex[pair{tests[i].key, value}]; posting != nil {
				for ns := range posting.namespaces {
					some[ns] = struct{}{}
				}
			}
		}
		return some
	}
	all := make(map[*namespace]struct{}, len(inv.namespaces))
	for _, ns := range inv.namespaces {
		all[ns] = struct{}{}
	}
	return all
}
