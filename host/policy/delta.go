package policy

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory/cow"
)

// Delta is what a transaction changes in its layer, in canonical form: a
// request that says again what is in force is not in it. Every list is ordered
// by name. A reader that puts sets before what names them, and deletes them
// after, never sees a name without its set.
//
// Specs are shared with the layer and must not be changed.
type Delta struct {
	Module           string
	Order            int
	PutSets          []Set
	DeleteSets       []Key
	PutRules         []Rule
	DeleteRules      []Key
	PutIsolations    []Isolation
	DeleteIsolations []Key
}

// Empty says that the transaction changes nothing.
func (d Delta) Empty() bool {
	return len(d.PutSets) == 0 && len(d.DeleteSets) == 0 && len(d.PutRules) == 0 &&
		len(d.DeleteRules) == 0 && len(d.PutIsolations) == 0 && len(d.DeleteIsolations) == 0
}

// Check says whether the transaction can be committed: a set that is deleted,
// or after a reset not put again, must not be named any longer (UnknownSet),
// and a set that is named as a subject must be one of Pods.
func (t *Txn) Check() error {
	var names []string
	for name, edit := range t.sets {
		u := t.usesOf(name)
		if u.none() {
			continue
		}
		if edit.set == nil {
			names = append(names, name)
		} else if _, pods := edit.set.Spec.(*abi.Pods); !pods && u.subject > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	name := slices.Min(names)
	object := fmt.Sprintf("set %q", name)
	if t.sets[name].set == nil {
		return unknownSet(object, fmt.Sprintf("is deleted but %s still names it: delete or replace that too", t.userOf(name)))
	}
	return malformed(object, fmt.Sprintf("is no longer a set of Pods but %s names it as a subject: delete or replace that too", t.userOf(name)))
}

// userOf finds a rule or an isolation that names the set, the first by name.
func (t *Txn) userOf(set string) string {
	var first string
	note := func(kind, name string) {
		if text := fmt.Sprintf("%s %q", kind, name); first == "" || text < first {
			first = text
		}
	}
	names := func(r *Rule) bool {
		return r != nil && (slices.Contains(r.Spec.Subjects, set) || slices.Contains(r.Spec.Peers, set))
	}
	for name, r := range t.rules {
		if names(r) {
			note("rule", name)
		}
	}
	for name, r := range t.seen.rules.All() {
		if _, touched := t.rules[name]; !touched && names(&r) {
			note("rule", name)
		}
	}
	for name, i := range t.isolations {
		if i != nil && slices.Contains(i.Spec.Subjects, set) {
			note("isolation", name)
		}
	}
	for name, i := range t.seen.isolations.All() {
		if _, touched := t.isolations[name]; !touched && slices.Contains(i.Spec.Subjects, set) {
			note("isolation", name)
		}
	}
	return first
}

// Delta returns what the transaction really changes. Without a reset it costs
// what was staged; with one, what the layer held and what was staged.
func (t *Txn) Delta() Delta {
	if t.delta == nil {
		t.delta = t.compare()
	}
	return *t.delta
}

func (t *Txn) compare() *Delta {
	d := &Delta{Module: t.layer.module, Order: t.layer.order}
	reset := t.seen != t.base

	sets := make(map[string]*Set, len(t.sets))
	for name, edit := range t.sets {
		if edit.set == nil {
			sets[name] = nil
			continue
		}
		sets[name] = edit.whole()
	}
	d.PutSets, d.DeleteSets = diff(t, t.base.sets, sets, reset, func(a, b *Set) bool { return SameSet(a.Spec, b.Spec) }, func(s Set) Key { return s.Key })
	d.PutRules, d.DeleteRules = diff(t, t.base.rules, t.rules, reset, func(a, b *Rule) bool { return a.Order == b.Order && SameRule(&a.Spec, &b.Spec) }, func(r Rule) Key { return r.Key })
	d.PutIsolations, d.DeleteIsolations = diff(t, t.base.isolations, t.isolations, reset, func(a, b *Isolation) bool { return SameIsolation(&a.Spec, &b.Spec) }, func(i Isolation) Key { return i.Key })
	return d
}

func diff[V any](t *Txn, base cow.View[string, V], touched map[string]*V, reset bool, same func(a, b *V) bool, keyOf func(V) Key) (put []V, deleted []Key) {
	for name, value := range touched {
		old, there := base.Get(name)
		switch {
		case value == nil && there:
			deleted = append(deleted, t.key(name))
		case value != nil && (!there || !same(&old, value)):
			put = append(put, *value)
		}
	}
	if reset {
		for name := range base.All() {
			if _, again := touched[name]; !again {
				deleted = append(deleted, t.key(name))
			}
		}
	}
	slices.SortFunc(put, func(a, b V) int { return keyOf(a).Compare(keyOf(b)) })
	slices.SortFunc(deleted, Key.Compare)
	return put, deleted
}

// result is the state after the transaction.
func (t *Txn) result() *state {
	d := t.Delta()
	sets, rules, isolations := t.base.sets.Edit(), t.base.rules.Edit(), t.base.isolations.Edit()
	for _, s := range d.PutSets {
		sets.Set(s.Name, s)
	}
	for _, key := range d.DeleteSets {
		sets.Delete(key.Name)
	}
	for _, r := range d.PutRules {
		rules.Set(r.Name, r)
	}
	for _, key := range d.DeleteRules {
		rules.Delete(key.Name)
	}
	for _, i := range d.PutIsolations {
		isolations.Set(i.Name, i)
	}
	for _, key := range d.DeleteIsolations {
		isolations.Delete(key.Name)
	}
	counts := t.seen.uses.Edit()
	for name := range t.uses {
		if u := t.usesOf(name); u.none() {
			counts.Delete(name)
		} else {
			counts.Set(name, u)
		}
	}
	return &state{
		sets:       sets.View(),
		rules:      rules.View(),
		isolations: isolations.View(),
		uses:       counts.View(),
		addresses:  t.size.Addresses,
	}
}
