package datapath

import (
	"cmp"
	"iter"
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
	entries map[of.FlowKey]*entry
	dirty   map[of.FlowKey]struct{}
	wanted  load

	comparisons uint32 // with dumps, so far
}

type entry struct {
	wanted    of.Flow
	present   bool // wanted at all
	installed of.Flow
	inSwitch  bool
	compared  uint32   // the last comparison that found it in the switch
	clauses   []clause // sorted; clause flows only
	owners    []owner  // sorted by cookie; shared flows only
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

func (b *book) at(key of.FlowKey) *entry {
	e := b.entries[key]
	if e == nil {
		e = &entry{}
		b.entries[key] = e
	}
	b.dirty[key] = struct{}{}
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
	e := b.at(key)
	i, found := slices.BinarySearchFunc(e.clauses, c, compareClauses)
	if !found {
		e.clauses = slices.Insert(e.clauses, i, c)
		added = 1
	}
	e.wanted = of.Flow{Table: key.Table, Priority: key.Priority, Match: key.Match, Cookie: cookie}
	b.want(e, true)
	b.wanted.clauses += added
	return added
}

func (b *book) removeClause(key of.FlowKey, c clause) (removed int) {
	e := b.at(key)
	if i, found := slices.BinarySearchFunc(e.clauses, c, compareClauses); found {
		e.clauses = slices.Delete(e.clauses, i, i+1)
		removed = 1
	}
	b.want(e, len(e.clauses) > 0)
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
	e := b.at(f.Key())
	i, found := slices.BinarySearchFunc(e.owners, f.Cookie, compareOwners)
	if found {
		e.owners[i].actions = f.Actions
	} else {
		e.owners = slices.Insert(e.owners, i, owner{f.Cookie, f.Actions})
		added = 1
	}
	e.wanted = f
	b.want(e, true)
	return added
}

func (b *book) removeOwner(key of.FlowKey, cookie uint64) (removed int) {
	e := b.at(key)
	if i, found := slices.BinarySearchFunc(e.owners, cookie, compareOwners); found {
		e.owners = slices.Delete(e.owners, i, i+1)
		removed = 1
	}
	b.want(e, len(e.owners) > 0)
	return removed
}

// flow is the flow as it should be in the switch.
func (e *entry) flow() of.Flow {
	f := e.wanted
	switch {
	case len(e.clauses) > 0:
		actions := make([]of.Action, len(e.clauses))
		for i, c := range e.clauses {
			actions[i] = of.Conjunction(c.id, c.k, c.total)
		}
		f.Actions = of.Do(actions...)
	case len(e.owners) > 0:
		f.Cookie, f.Actions = e.owners[0].cookie, e.owners[0].actions
	}
	return f
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
	out := make([]change, 0, len(b.dirty))
	for key := range b.dirty {
		e := b.entries[key]
		switch {
		case e.present:
			f := e.flow()
			if e.inSwitch && e.installed == f {
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
	return out
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
		if c.drop {
			e.inSwitch = false
			if !e.present {
				delete(b.entries, c.key)
			}
			continue
		}
		e.installed, e.inSwitch = c.flow, true
	}
}

// compare replaces what is known of the switch by a dump of it and returns how
// many flows were not as recorded. What is as recorded costs no memory.
func (b *book) compare(dump iter.Seq[of.Flow]) (wrong int) {
	b.comparisons++
	for f := range dump {
		key := f.Key()
		e := b.entries[key]
		if e == nil {
			e = &entry{}
			b.entries[key] = e
		}
		e.compared = b.comparisons
		if !e.inSwitch || e.installed != f {
			wrong++
			b.dirty[key] = struct{}{}
			e.inSwitch, e.installed = true, f
		}
	}
	for key, e := range b.entries {
		if e.inSwitch && e.compared != b.comparisons {
			wrong++
			b.dirty[key] = struct{}{}
			e.inSwitch, e.installed = false, of.Flow{}
		}
	}
	return wrong
}
