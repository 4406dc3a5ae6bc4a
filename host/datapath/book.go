package datapath

import (
	"cmp"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// book keeps, for every flow, what is wanted and what is installed, and knows
// which of them may differ. A flow is wanted for one of three reasons:
//
//   - somebody put it (put, remove);
//   - rules share it because their clauses need the same match (addClause):
//     its actions are the list of those clauses;
//   - rules or isolations that do the same thing to the same class share it
//     (addOwner): it lives as long as it has an owner.
type book struct {
	entries   map[of.FlowKey]*entry
	dirty     map[of.FlowKey]struct{}
	most      int // entries that dirty had since it was made
	wanted    load
	installed int    // entries that are in the switch
	dumps     uint32 // numbers the comparisons
}

// entry is small: a large cluster has some hundred thousand of them.
type entry struct {
	wanted of.Flow  // of clause flows without actions, until somebody asks for the flow
	shared *sharing // nil: somebody has put it
	// other is the flow that is in the switch, if that may be another than the wanted one.
	other    *of.Flow
	seen     uint32 // in the comparison with this number
	present  bool   // wanted at all
	inSwitch bool
}

// sharing is who shares a flow.
type sharing struct {
	clauses []clause // sorted; clause flows only
	owners  []owner  // sorted by cookie
}

// owner is one of those that want a shared flow, with the actions that the flow
// has if it is this one's.
type owner struct {
	cookie  uint64
	actions of.Actions
}

func compareOwners(a owner, cookie uint64) int { return cmp.Compare(a.cookie, cookie) }

// clause says that a flow stands for one of the dimensions of a conjunction.
type clause struct {
	id       uint32
	k, total uint8
}

func newBook() *book {
	return &book{entries: map[of.FlowKey]*entry{}, dirty: map[of.FlowKey]struct{}{}}
}

// at is the entry of a key, to be changed.
func (b *book) at(key of.FlowKey) *entry {
	e := b.entries[key]
	if e == nil {
		e = &entry{}
		b.entries[key] = e
	}
	if e.inSwitch && e.other == nil {
		f := e.flow()
		e.other = &f
	}
	b.dirty[key] = struct{}{}
	return e
}

// shared is at, of a flow that is shared.
func (b *book) shared(key of.FlowKey) *entry {
	e := b.at(key)
	if e.shared == nil {
		e.shared = &sharing{}
	}
	return e
}

func (b *book) put(f of.Flow) {
	e := b.at(f.Key())
	e.wanted = f
	b.want(e, true)
}

func (b *book) remove(key of.FlowKey) { b.want(b.at(key), false) }

// want says whether an entry is wanted at all.
func (b *book) want(e *entry, present bool) {
	if present && !e.present {
		b.wanted.flows++
	} else if !present && e.present {
		b.wanted.flows--
	}
	e.present = present
}

// load is how much is wanted.
func (b *book) load() load { return b.wanted }

// addClause makes the flow at key stand for c as well.
func (b *book) addClause(key of.FlowKey, cookie uint64, c clause) (added int) {
	e := b.shared(key)
	i, found := slices.BinarySearchFunc(e.shared.clauses, c, compareClauses)
	if !found {
		e.shared.clauses = slices.Insert(e.shared.clauses, i, c)
		added = 1
	}
	e.wanted = of.Flow{Table: key.Table, Priority: key.Priority, Match: key.Match, Cookie: cookie}
	b.want(e, true)
	b.wanted.clauses += added
	return added
}

func (b *book) removeClause(key of.FlowKey, c clause) (removed int) {
	e := b.shared(key)
	if i, found := slices.BinarySearchFunc(e.shared.clauses, c, compareClauses); found {
		e.shared.clauses = slices.Delete(e.shared.clauses, i, i+1)
		e.wanted.Actions = of.Actions{}
		removed = 1
	}
	b.want(e, len(e.shared.clauses) > 0)
	b.wanted.clauses -= removed
	return removed
}

func compareClauses(a, b clause) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.k, b.k))
}

// addOwner makes the flow one that f.Cookie wants. The switch gets the smallest
// cookie and the actions that go with it, so that nothing depends on who came
// first.
func (b *book) addOwner(f of.Flow) (added int) {
	e := b.shared(f.Key())
	i, found := slices.BinarySearchFunc(e.shared.owners, f.Cookie, compareOwners)
	if found {
		e.shared.owners[i].actions = f.Actions
	} else {
		e.shared.owners = slices.Insert(e.shared.owners, i, owner{f.Cookie, f.Actions})
		added = 1
	}
	e.wanted = f
	b.want(e, true)
	return added
}

func (b *book) removeOwner(key of.FlowKey, cookie uint64) (removed int) {
	e := b.shared(key)
	if i, found := slices.BinarySearchFunc(e.shared.owners, cookie, compareOwners); found {
		e.shared.owners = slices.Delete(e.shared.owners, i, i+1)
		removed = 1
	}
	b.want(e, len(e.shared.owners) > 0)
	return removed
}

// flow is the flow as it should be in the switch.
func (e *entry) flow() of.Flow {
	switch s := e.shared; {
	case s == nil:
	case len(s.clauses) > 0:
		if e.wanted.Actions == (of.Actions{}) {
			actions := make([]of.Action, len(s.clauses))
			for i, c := range s.clauses {
				actions[i] = of.Conjunction(c.id, c.k, c.total)
			}
			e.wanted.Actions = of.Do(actions...)
		}
	case len(s.owners) > 0:
		e.wanted.Cookie, e.wanted.Actions = s.owners[0].cookie, s.owners[0].actions
	}
	return e.wanted
}

// is says whether a flow is in the switch as it is.
func (e *entry) is(f of.Flow) bool {
	return e.inSwitch && (e.other == nil || *e.other == f)
}

// settled records that the switch has what is wanted.
func (e *entry) settled() {
	if e.other != nil {
		e.wanted.Match = e.other.Match // the text of the key, and no second one
		e.other = nil
	}
}

// record notes whether the switch has a flow of an entry.
func (b *book) record(e *entry, in bool) {
	if in && !e.inSwitch {
		b.installed++
	} else if !in && e.inSwitch {
		b.installed--
	}
	if e.inSwitch = in; !in {
		e.other = nil
	}
}

// change is one flow that has to be written, and what the book records once it
// is.
type change struct {
	key  of.FlowKey
	flow of.Flow
	drop bool
}

// changes lists what differs, in the order of tables, priorities and matches.
// Entries that turn out to be equal are struck off.
func (b *book) changes() []change {
	b.most = max(b.most, len(b.dirty))
	out := make([]change, 0, len(b.dirty))
	for key := range b.dirty {
		e := b.entries[key]
		switch {
		case e.present:
			f := e.flow()
			if e.is(f) {
				e.settled()
				delete(b.dirty, key)
				continue
			}
			out = append(out, change{key: key, flow: f})
		case e.inSwitch:
			out = append(out, change{key: key, drop: true})
		default:
			delete(b.dirty, key)
			delete(b.entries, key)
		}
	}
	slices.SortFunc(out, func(a, b change) int { return compareKeys(a.key, b.key) })
	b.tidy()
	return out
}

// tidy begins a new list of what may differ when the old one is empty and was large: see
// emptied.
func (b *book) tidy() {
	if len(b.dirty) == 0 && b.most > spareEntries {
		b.dirty, b.most = map[of.FlowKey]struct{}{}, 0
	}
}

func compareKeys(a, b of.FlowKey) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), -cmp.Compare(a.Priority, b.Priority), a.Match.Compare(b.Match))
}

// mod is the message for a change. A changed flow is added again and not
// modified: modifying one that somebody has deleted by hand does nothing.
func (c change) mod() of.Mod {
	if c.drop {
		return of.DeleteFlowStrict(c.key)
	}
	return of.AddFlow(c.flow)
}

// written records that changes are in the switch.
func (b *book) written(changes []change) {
	for _, c := range changes {
		e := b.entries[c.key]
		delete(b.dirty, c.key)
		b.record(e, !c.drop)
		switch {
		case !c.drop:
			e.other = nil
		case !e.present:
			delete(b.entries, c.key)
		}
	}
	b.tidy()
}

// comparison replaces what is known of the switch by a dump of it.
type comparison struct {
	book  *book
	wrong int // flows that were not as recorded
}

// compare begins a comparison. One that does not come to its end has changed only
// what was found.
func (b *book) compare() *comparison {
	b.dumps++
	return &comparison{book: b}
}

// found takes a flow of the dump.
func (c *comparison) found(f of.Flow) {
	key := f.Key()
	e := c.book.entries[key]
	if e == nil {
		e = &entry{}
		c.book.entries[key] = e
	}
	e.seen = c.book.dumps
	if e.present && e.flow() == f {
		if !e.inSwitch || e.other != nil && *e.other != f {
			c.differs(key)
		}
		c.book.record(e, true)
		e.other = nil
		return
	}
	if !e.inSwitch || e.other == nil || *e.other != f {
		c.differs(key)
	}
	c.book.record(e, true)
	e.other = &f
}

func (c *comparison) differs(key of.FlowKey) {
	c.wrong++
	c.book.dirty[key] = struct{}{}
}

// end takes all that was not found for gone, and says how much was wrong.
func (c *comparison) end() int {
	for key, e := range c.book.entries {
		if e.inSwitch && e.seen != c.book.dumps {
			c.book.record(e, false)
			c.differs(key)
		}
	}
	return c.wrong
}
