package sluice

import "github.com/sluice-net/sluice/abi"

// Declare says that owner stands for exactly these requests, and no longer for
// those that it declared before; with none, that it stands for nothing. Owner is
// any string, usually Object.ID. Requests may be *abi.PutSet, *abi.PutRule,
// *abi.PutIsolation and *abi.Report.
//
// At the end of the batch only what differs from what is in force is sent to the
// host. Several owners may declare the same thing under the same name (a set
// that both use): it stays until the last of them lets go of it. The same
// name with different content is a *ConflictError, and what owner declared before
// stays: derive names of shared sets from their content, and others from the
// owner. A report is sent when it is new or has changed.
//
// Declare does not keep requests.
func (tx *Tx) Declare(owner string, requests ...abi.Request) error {
	return tx.declared.declare(owner, requests)
}

// ConflictError says that two declarations give one name two meanings.
type ConflictError struct {
	Kind         string // "set", "rule", "isolation", "report"
	Name         string
	Owner, Other string // Other is empty if Owner contradicts itself
}

func (e *ConflictError) Error() string {
	what := e.Kind + " " + e.Name + " is declared by " + e.Owner
	if e.Other == "" {
		return what + " twice, with different content"
	}
	return what + " and by " + e.Other + " with different content"
}

// kind tells the name spaces of requests apart. The order is that of putting;
// deletes go the other way.
type kind uint8

const (
	kindSet kind = iota
	kindIsolation
	kindRule
	kindReport

	kinds
)

func (k kind) String() string {
	return [...]string{"set", "isolation", "rule", "report"}[k]
}

// entry is one name of one kind. There may be a hundred thousand of them in a
// few dozen MiB, so it is kept small.
type entry struct {
	name    string
	wanted  string // whole requests, encoded; empty is "not there"
	inForce string
	refs    int32 // how often owners declare it
	kind    kind
	dirty   bool // is in declarations.dirty

	// Of the declare with number call only:
	call uint32
	mine int32 // references that the owner had before
	next int32 // 1 + index in declarations.next of what the owner wants now; 0 is nothing
}

// declarations remembers who wants what, and what the host has.
type declarations struct {
	owners  map[string][]*entry
	entries [kinds]map[string]*entry
	dirty   []*entry
	calls   uint32
	scratch []byte
	next    [][]byte // encoded requests of the current declare, parts of scratch
}

// forget is for a reset: the host forgets as well.
func (d *declarations) forget() {
	d.owners = map[string][]*entry{}
	for k := range d.entries {
		d.entries[k] = map[string]*entry{}
	}
	d.dirty = nil
}

func (d *declarations) declare(owner string, requests []abi.Request) error {
	d.calls++
	before := d.owners[owner]
	for _, e := range before {
		e.touch(d.calls)
		e.mine++
	}
	after, err := d.lookUp(owner, requests)
	if err != nil {
		for _, e := range after {
			d.drop(e)
		}
		return err
	}
	for _, e := range before {
		if e.refs--; e.refs == 0 {
			d.markDirty(e)
		}
	}
	for _, e := range after {
		e.refs++
		if next := d.next[e.next-1]; e.wanted != string(next) {
			e.wanted = string(next)
			d.markDirty(e)
		}
	}
	for _, e := range before {
		if e.refs == 0 {
			e.wanted = ""
		}
	}
	if len(after) == 0 {
		delete(d.owners, owner)
	} else {
		d.owners[owner] = after
	}
	if cap(d.scratch) > 2*chunk {
		d.scratch, d.next = nil, nil
	}
	return nil
}

// lookUp finds or makes the entries of requests and checks that they agree with
// each other and with other owners. It changes nothing that is wanted.
func (d *declarations) lookUp(owner string, requests []abi.Request) (after []*entry, err error) {
	if len(requests) > 0 {
		after = make([]*entry, 0, len(requests))
	}
	b := d.scratch[:0]
	d.next = d.next[:0]
	for _, r := range requests {
		kind, name, err := kindOf(r)
		if err != nil {
			return after, &eventError{what: owner, err: err}
		}
		start := len(b)
		b = appendRequest(b, r)
		next := b[start:len(b):len(b)] // stays valid when b moves on
		e := d.entries[kind][name]
		if e == nil {
			e = &entry{kind: kind, name: name}
			d.entries[kind][name] = e
		}
		e.touch(d.calls)
		if e.next != 0 && string(d.next[e.next-1]) != string(next) {
			return after, &ConflictError{Kind: kind.String(), Name: name, Owner: owner}
		}
		d.next = append(d.next, next)
		e.next = int32(len(d.next))
		after = append(after, e)
		if e.refs > e.mine && e.wanted != string(next) {
			return after, &ConflictError{Kind: kind.String(), Name: name, Owner: owner, Other: d.otherOwner(e, owner)}
		}
	}
	d.scratch = b
	return after, nil
}

// touch makes the fields of one declare fresh.
func (e *entry) touch(call uint32) {
	if e.call != call {
		e.call, e.mine, e.next = call, 0, 0
	}
}

func (d *declarations) otherOwner(e *entry, owner string) string {
	first := ""
	for other, list := range d.owners {
		for _, o := range list {
			if o == e && other != owner && (first == "" || other < first) {
				first = other
			}
		}
	}
	return first
}

func (d *declarations) markDirty(e *entry) {
	if !e.dirty {
		e.dirty = true
		d.dirty = append(d.dirty, e)
	}
}

// drop removes an entry that nobody wants and the host does not have.
func (d *declarations) drop(e *entry) {
	if e.refs == 0 && e.inForce == "" && !e.dirty && d.entries[e.kind][e.name] == e {
		delete(d.entries[e.kind], e.name)
	}
}

// difference emits what makes the host's state the wanted one. Deletes come
// first, so that a module near a limit of the host can swap one thing for
// another; what refers to a set is put after it.
func (d *declarations) difference(emit func([]byte) error) {
	for k := kinds; k > 0; k-- {
		for _, e := range d.dirty {
			if e.kind != k-1 || e.wanted != "" || e.inForce == "" {
				continue
			}
			d.scratch = e.appendDelete(d.scratch[:0])
			if emit(d.scratch) != nil {
				return
			}
		}
	}
	for k := kind(0); k < kinds; k++ {
		for _, e := range d.dirty {
			if e.kind != k || e.wanted == "" || e.wanted == e.inForce {
				continue
			}
			d.scratch = append(d.scratch[:0], e.wanted...)
			if emit(d.scratch) != nil {
				return
			}
		}
	}
}

func (e *entry) appendDelete(b []byte) []byte {
	switch e.kind {
	case kindSet:
		return abi.AppendRequest(b, &abi.DeleteSet{Name: e.name})
	case kindIsolation:
		return abi.AppendRequest(b, &abi.DeleteIsolation{Name: e.name})
	case kindRule:
		return abi.AppendRequest(b, &abi.DeleteRule{Name: e.name})
	}
	return b // a report cannot be taken back
}

// committed notes that the host has everything that is wanted.
func (d *declarations) committed() {
	for i, e := range d.dirty {
		e.dirty = false
		e.inForce = e.wanted
		d.drop(e)
		d.dirty[i] = nil
	}
	if d.dirty = d.dirty[:0]; cap(d.dirty) > 4096 {
		d.dirty = nil
	}
}

func kindOf(r abi.Request) (k kind, name string, err error) {
	switch r := r.(type) {
	case *abi.PutSet:
		return kindSet, r.Name, nil
	case *abi.PutRule:
		return kindRule, r.Name, nil
	case *abi.PutIsolation:
		return kindIsolation, r.Name, nil
	case *abi.Report:
		o := &r.Object
		return kindReport, o.Resource + "/" + o.Namespace + "/" + o.Name + "/" + o.Rule + "/" + r.Condition.Type, nil
	}
	return 0, "", errNotDeclarable
}

var errNotDeclarable = &notDeclarable{}

type notDeclarable struct{}

func (*notDeclarable) Error() string {
	return "only PutSet, PutRule, PutIsolation and Report can be declared: deletes follow by themselves"
}
