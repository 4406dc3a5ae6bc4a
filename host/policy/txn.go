package policy

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// Txn is a transaction on a layer: everything that one call of a module
// emitted. It belongs to one goroutine until it is handed to Commit, and is
// thrown away by forgetting it.
//
// Order of use: Stage each request, Check, Delta, Layer.Commit.
type Txn struct {
	layer *Layer
	base  *state // in force at Begin
	seen  *state // what requests refer to: base, or nothing after a reset

	sets       map[string]*setEdit
	rules      map[string]*Rule      // nil: deleted
	isolations map[string]*Isolation // nil: deleted
	uses       map[string]uses       // what the transaction adds to seen.uses
	size       Limits                // of the result
	reports    []abi.Report
	delta      *Delta // nil: to be computed
}

func newTxn(l *Layer, base *state, reset bool) *Txn {
	t := &Txn{
		layer:      l,
		base:       base,
		seen:       base,
		sets:       make(map[string]*setEdit),
		rules:      make(map[string]*Rule),
		isolations: make(map[string]*Isolation),
		uses:       make(map[string]uses),
	}
	if reset {
		t.seen = new(state)
	}
	t.size = t.seen.size()
	return t
}

// Layer is the layer that the transaction is on.
func (t *Txn) Layer() *Layer { return t.layer }

// Reports are the reports that were staged, in their order.
func (t *Txn) Reports() []abi.Report { return t.reports }

// Size is what the layer holds after the transaction.
func (t *Txn) Size() Limits { return t.size }

// Stage validates a request and adds it to the transaction. A rule or an
// isolation must come after the sets that it names. An error is a *StageError,
// and the transaction is as it was before the request: whether it goes on
// without it is for the caller to decide.
//
// The request belongs to the transaction from now on.
func (t *Txn) Stage(request abi.Request) error {
	t.delta = nil
	switch r := request.(type) {
	case *abi.PutSet:
		return t.putSet(r)
	case *abi.PatchSet:
		return t.patchSet(r)
	case *abi.DeleteSet:
		return t.deleteSet(r)
	case *abi.PutRule:
		return t.putRule(r)
	case *abi.DeleteRule:
		return t.deleteRule(r)
	case *abi.PutIsolation:
		return t.putIsolation(r)
	case *abi.DeleteIsolation:
		return t.deleteIsolation(r)
	case *abi.Report:
		t.reports = append(t.reports, *r)
		return nil
	}
	return malformed(fmt.Sprintf("request %T", request), "this kind of request is not known")
}

func (t *Txn) putSet(r *abi.PutSet) error {
	object := fmt.Sprintf("set %q", r.Name)
	if err := checkName(object, r.Name); err != nil {
		return err
	}
	spec, err := canonicalSet(object, r.Spec)
	if err != nil {
		return err
	}
	current := t.set(r.Name)
	edit := &setEdit{set: &Set{Key: t.key(r.Name), Spec: spec}, addresses: countAddresses(spec)}
	size := t.size
	if current == nil {
		size.Sets++
	} else {
		size.Addresses -= current.addresses
	}
	size.Addresses += edit.addresses
	if err := t.resize(object, size); err != nil {
		return err
	}
	t.sets[r.Name] = edit
	return nil
}

func (t *Txn) patchSet(r *abi.PatchSet) error {
	object := fmt.Sprintf("set %q", r.Name)
	current := t.set(r.Name)
	if current == nil {
		return unknownSet(object, "there is no such set to patch: put it first")
	}
	if _, is := current.set.Spec.(*abi.Addresses); !is {
		return malformed(object, "only a set of addresses can be patched: put this one whole")
	}
	add := make(map[netip.Prefix]abi.Block, len(r.Add))
	for i := range r.Add {
		block, prefix, reason := canonicalBlock(r.Add[i])
		if reason != "" {
			return malformed(object, fmt.Sprintf("add[%d].%s", i, reason))
		}
		add[prefix] = block
	}
	var remove []netip.Prefix // first removed, then added: what is both is replaced
	for i, text := range r.Remove {
		prefix, reason := parsePrefix(text)
		if reason != "" {
			return malformed(object, fmt.Sprintf("remove[%d]: %s", i, reason))
		}
		if _, added := add[prefix]; !added {
			remove = append(remove, prefix)
		}
	}
	slices.SortFunc(remove, netip.Prefix.Compare)
	remove = slices.Compact(remove)
	size := t.size
	for prefix, block := range add {
		size.Addresses += 1 + len(block.Except) - current.countAt(prefix)
	}
	for _, prefix := range remove {
		size.Addresses -= current.countAt(prefix)
	}
	if err := t.resize(object, size); err != nil {
		return err
	}
	edit := t.sets[r.Name]
	if edit == nil {
		edit = current
		t.sets[r.Name] = edit
	}
	edit.patch(add, remove)
	return nil
}

func (t *Txn) deleteSet(r *abi.DeleteSet) error {
	object := fmt.Sprintf("set %q", r.Name)
	if err := checkName(object, r.Name); err != nil {
		return err
	}
	current := t.set(r.Name)
	if current == nil {
		return nil
	}
	t.size.Sets--
	t.size.Addresses -= current.addresses
	t.sets[r.Name] = new(setEdit)
	return nil
}

func (t *Txn) putRule(r *abi.PutRule) error {
	object := fmt.Sprintf("rule %q", r.Name)
	if err := checkName(object, r.Name); err != nil {
		return err
	}
	spec, err := t.canonicalRule(object, r.Spec)
	if err != nil {
		return err
	}
	current := t.rule(r.Name)
	if current == nil {
		size := t.size
		size.Rules++
		if err := t.resize(object, size); err != nil {
			return err
		}
	} else {
		t.use(current.Spec.Subjects, current.Spec.Peers, -1)
	}
	t.use(spec.Subjects, spec.Peers, +1)
	t.rules[r.Name] = &Rule{Key: t.key(r.Name), Order: t.layer.order, Spec: spec}
	return nil
}

func (t *Txn) deleteRule(r *abi.DeleteRule) error {
	if err := checkName(fmt.Sprintf("rule %q", r.Name), r.Name); err != nil {
		return err
	}
	if current := t.rule(r.Name); current != nil {
		t.use(current.Spec.Subjects, current.Spec.Peers, -1)
		t.rules[r.Name] = nil
		t.size.Rules--
	}
	return nil
}

func (t *Txn) putIsolation(r *abi.PutIsolation) error {
	object := fmt.Sprintf("isolation %q", r.Name)
	if err := checkName(object, r.Name); err != nil {
		return err
	}
	spec, err := t.canonicalIsolation(object, r.Spec)
	if err != nil {
		return err
	}
	current := t.isolation(r.Name)
	if current == nil {
		size := t.size
		size.Rules++
		if err := t.resize(object, size); err != nil {
			return err
		}
	} else {
		t.use(current.Spec.Subjects, nil, -1)
	}
	t.use(spec.Subjects, nil, +1)
	t.isolations[r.Name] = &Isolation{Key: t.key(r.Name), Spec: spec}
	return nil
}

func (t *Txn) deleteIsolation(r *abi.DeleteIsolation) error {
	if err := checkName(fmt.Sprintf("isolation %q", r.Name), r.Name); err != nil {
		return err
	}
	if current := t.isolation(r.Name); current != nil {
		t.use(current.Spec.Subjects, nil, -1)
		t.isolations[r.Name] = nil
		t.size.Rules--
	}
	return nil
}
