package policy

import (
	"fmt"

	"github.com/sluice-net/sluice/abi"
)

// resize takes the new size over, or says which limit it exceeds.
func (t *Txn) resize(object string, size Limits) error {
	limits := t.layer.limits
	for _, l := range []struct {
		what, field         string
		before, next, limit int
	}{
		{"rules and isolations", "rules", t.size.Rules, size.Rules, limits.Rules},
		{"sets", "sets", t.size.Sets, size.Sets, limits.Sets},
		{"blocks and excepts in sets of addresses", "addresses", t.size.Addresses, size.Addresses, limits.Addresses},
	} {
		if l.next > l.limit && l.next > l.before {
			return &StageError{
				Code:   abi.Quota,
				Object: object,
				Reason: fmt.Sprintf("the module would hold %d %s and may hold %d: emit fewer, or raise limits.%s of the module", l.next, l.what, l.limit, l.field),
			}
		}
	}
	t.size = size
	return nil
}

func (t *Txn) key(name string) Key { return Key{Module: t.layer.module, Name: name} }

// set returns the set as the transaction left it so far, nil if it is not
// there. What it returns for a set that the transaction has not touched is not
// yet part of it.
func (t *Txn) set(name string) *setEdit {
	if edit, touched := t.sets[name]; touched {
		if edit.set == nil {
			return nil
		}
		return edit
	}
	set, there := t.seen.sets.Get(name)
	if !there {
		return nil
	}
	return &setEdit{set: &set, addresses: countAddresses(set.Spec)}
}

// specOf is the kind of a set, and whether there is one; its patches may not be
// in it yet.
func (t *Txn) specOf(name string) (abi.SetSpec, bool) {
	if edit, touched := t.sets[name]; touched {
		if edit.set == nil {
			return nil, false
		}
		return edit.set.Spec, true
	}
	set, there := t.seen.sets.Get(name)
	return set.Spec, there
}

func (t *Txn) rule(name string) *Rule {
	if rule, touched := t.rules[name]; touched {
		return rule
	}
	if rule, there := t.seen.rules.Get(name); there {
		return &rule
	}
	return nil
}

func (t *Txn) isolation(name string) *Isolation {
	if isolation, touched := t.isolations[name]; touched {
		return isolation
	}
	if isolation, there := t.seen.isolations.Get(name); there {
		return &isolation
	}
	return nil
}

func (t *Txn) use(subjects, peers []string, by int) {
	for _, name := range subjects {
		u := t.uses[name]
		u.subject += by
		t.uses[name] = u
	}
	for _, name := range peers {
		u := t.uses[name]
		u.peer += by
		t.uses[name] = u
	}
}

func (t *Txn) usesOf(name string) uses {
	u, _ := t.seen.uses.Get(name)
	added := t.uses[name]
	return uses{subject: u.subject + added.subject, peer: u.peer + added.peer}
}
