package policy

import (
	"cmp"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/inventory/cow"
)

// Key names a set, a rule or an isolation: the module, and the module's own
// name for it.
type Key = inventory.SetKey

// Set is a set in force. Its Spec is canonical: names sorted without
// duplicates, CIDRs masked, blocks in the order of their addresses.
type Set struct {
	Key
	Spec abi.SetSpec
}

// Rule is a rule in force. Order is that of its module in the operator's list:
// in one tier, lower is asked first.
type Rule struct {
	Key
	Order int
	Spec  abi.RuleSpec
}

// Isolation is an isolation in force.
type Isolation struct {
	Key
	Spec abi.IsolationSpec
}

// Layer is everything one module has in force.
//
// Readers may use it from any goroutine; each call sees one whole committed
// state. At most one transaction at a time leads to a Commit.
type Layer struct {
	module string
	order  int
	grant  Grant
	limits Limits
	now    atomic.Pointer[state]
}

// state is one committed state, never changed once it is published.
type state struct {
	sets       cow.View[string, Set]
	rules      cow.View[string, Rule]
	isolations cow.View[string, Isolation]
	uses       cow.View[string, uses] // by set name
	addresses  int                    // blocks and excepts of all sets
}

// uses counts the rules and isolations that name a set.
type uses struct{ subject, peer int }

func (u uses) none() bool { return u.subject == 0 && u.peer == 0 }

// NewLayer returns an empty layer. Order is the place of the module in the
// operator's list. Limits that are zero are the defaults.
func NewLayer(module string, order int, grant Grant, limits Limits) *Layer {
	l := &Layer{module: module, order: order, grant: grant, limits: limits.withDefaults()}
	l.now.Store(new(state))
	return l
}

// Module is the name that the layer was made for.
func (l *Layer) Module() string { return l.module }

// Order is the place of the module in the operator's list.
func (l *Layer) Order() int { return l.order }

// Freeze returns a layer that holds what this one holds now and is never
// committed to again: what an Evaluate over several packets should use. It
// costs nothing.
func (l *Layer) Freeze() *Layer {
	frozen := &Layer{module: l.module, order: l.order, grant: l.grant, limits: l.limits}
	frozen.now.Store(l.now.Load())
	return frozen
}

// Begin starts a transaction on what is in force now. With reset everything
// that is not put again in the transaction is deleted by it, and requests see
// none of what was there before. It costs nothing, whatever the layer holds.
func (l *Layer) Begin(reset bool) *Txn {
	return newTxn(l, l.now.Load(), reset)
}

// Preview returns a layer that holds what this one would hold after the
// transaction, and is never committed to.
func (t *Txn) Preview() *Layer {
	after := &Layer{module: t.layer.module, order: t.layer.order, grant: t.layer.grant, limits: t.layer.limits}
	after.now.Store(t.result())
	return after
}

// Inherit makes a layer that holds nothing hold what another of the same module
// does, which is never committed to again. The first transaction, with a reset, is
// then the difference between the two.
func (l *Layer) Inherit(from *Layer) {
	if l.module != from.module {
		panic("policy: layer " + l.module + " inherits from " + from.module)
	}
	l.now.Store(from.now.Load())
}

// Commit makes the transaction the state in force. It panics if the
// transaction is another layer's or the layer was committed to since Begin:
// what was validated would not be what comes into force.
func (l *Layer) Commit(t *Txn) {
	if t.layer != l {
		panic("policy: commit of a transaction of layer " + t.layer.module + " to layer " + l.module)
	}
	if !l.now.CompareAndSwap(t.base, t.result()) {
		panic("policy: layer " + l.module + " was committed to since this transaction began")
	}
}

// Set returns the set of that name.
func (l *Layer) Set(name string) (Set, bool) { return l.now.Load().sets.Get(name) }

// Rule returns the rule of that name.
func (l *Layer) Rule(name string) (Rule, bool) { return l.now.Load().rules.Get(name) }

// Isolation returns the isolation of that name.
func (l *Layer) Isolation(name string) (Isolation, bool) { return l.now.Load().isolations.Get(name) }

// Sets yields the sets, ordered by name.
func (l *Layer) Sets() iter.Seq[Set] { return ordered(l.now.Load().sets) }

// Rules yields the rules, ordered by name.
func (l *Layer) Rules() iter.Seq[Rule] { return ordered(l.now.Load().rules) }

// Isolations yields the isolations, ordered by name.
func (l *Layer) Isolations() iter.Seq[Isolation] { return ordered(l.now.Load().isolations) }

// Size says how much the layer holds, in the terms of its limits.
func (l *Layer) Size() Limits { return l.now.Load().size() }

func (s *state) size() Limits {
	return Limits{Rules: s.rules.Len() + s.isolations.Len(), Sets: s.sets.Len(), Addresses: s.addresses}
}

func ordered[V any](entries cow.View[string, V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		names := make([]string, 0, entries.Len())
		for name := range entries.All() {
			names = append(names, name)
		}
		slices.SortFunc(names, cmp.Compare[string])
		for _, name := range names {
			value, _ := entries.Get(name)
			if !yield(value) {
				return
			}
		}
	}
}
