package datapath

import (
	"fmt"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// Limits of what policy and Services may compile to, on this node, all modules and
// Services together. Zero means the default.
type Limits struct {
	// Flows that are wanted in the bridge.
	Flows int
	// Clauses of conjunctions: a flow stands for as many as there are rules that
	// need its match. They cost memory, here and in the switch, and the time of
	// a commit.
	//
	// How many meet in one flow needs no limit of its own: a lane takes no more
	// than fit into a message of OpenFlow (laneCapacity).
	Clauses int
	// Buckets of groups: each backend of a ServicePort is one, or two where slots do
	// not share out (balance.go).
	Buckets int
}

// The defaults of Limits.
const (
	DefaultFlows   = 500_000
	DefaultClauses = 4_000_000
	DefaultBuckets = 500_000
)

func (l Limits) complete() Limits {
	if l.Flows == 0 {
		l.Flows = DefaultFlows
	}
	if l.Clauses == 0 {
		l.Clauses = DefaultClauses
	}
	if l.Buckets == 0 {
		l.Buckets = DefaultBuckets
	}
	return l
}

// TooManyBackendsError refuses a ServicePort for which there is no room. What was
// there before stays.
type TooManyBackendsError struct {
	Name   string // of the ServicePort
	What   string // flows, buckets
	Needs  int    // on the whole node, with this port
	Before int    // without the change
	Limit  int
	Field  string // of the configuration
}

func (e *TooManyBackendsError) Error() string {
	return fmt.Sprintf("port %q of a Service does not fit: this node would need %d %s (now %d), the limit is %d; "+
		"use fewer endpoints or Services, or raise %s in the agent's configuration", e.Name, e.Needs, e.What, e.Before, e.Limit, e.Field)
}

// checkService refuses what is above a limit and above what there was.
func (l Limits) checkService(name string, before, now load) error {
	for _, x := range []struct {
		what, field        string
		now, before, limit int
	}{
		{"flows", "limits.flows", now.flows, before.flows, l.Flows},
		{"buckets of groups", "limits.buckets", now.buckets, before.buckets, l.Buckets},
	} {
		if x.limit > 0 && x.now > x.limit && x.now > x.before {
			return &TooManyBackendsError{Name: name, What: x.what, Needs: x.now, Before: x.before, Limit: x.limit, Field: x.field}
		}
	}
	return nil
}

// TooMuchError refuses a transaction that compiles to too much (SEMANTICS 32).
// What was in force before stays in force.
type TooMuchError struct {
	Module string
	What   string // flows, conjunction clauses
	Needs  int    // on the whole node, with the transaction
	More   bool   // Needs is where counting stopped
	Before int    // without the transaction
	Limit  int
	Field  string // of the configuration
}

func (e *TooMuchError) Error() string {
	more := ""
	if e.More {
		more = "more than "
	}
	return fmt.Sprintf("policy of module %q compiles to too much: this node would need %s%d %s (now %d), the limit is %d; "+
		"select fewer peers or ports, or raise %s in the agent's configuration", e.Module, more, e.Needs, e.What, e.Before, e.Limit, e.Field)
}

// allowance is what a transaction may compile to. The zero allowance is no
// bound.
type allowance struct {
	Limits
	module string
	before load
}

// load is how much is wanted.
type load struct{ flows, clauses, buckets int }

// overrun is how far beyond a limit compiling goes on, so that the refusal can
// say how much would have been needed.
const overrun = 4

// check refuses what is above a limit and above what there was: a transaction
// that takes away is welcome at any time.
func (a allowance) check(now load, stopped bool) error {
	for _, l := range []struct {
		what, field        string
		now, before, limit int
	}{
		{"flows", "limits.flows", now.flows, a.before.flows, a.Flows},
		{"conjunction clauses", "limits.clauses", now.clauses, a.before.clauses, a.Clauses},
	} {
		ceiling := l.limit
		if stopped {
			ceiling *= overrun
		}
		if l.limit > 0 && l.now > ceiling && l.now > l.before {
			return &TooMuchError{Module: a.module, What: l.what, Needs: l.now, More: stopped, Before: l.before, Limit: l.limit, Field: l.field}
		}
	}
	return nil
}

// Commit brings a change of one module's policy into the wanted state. An error
// means that the inventory refused a set, or that the change compiles to too
// much; nothing has changed then.
func (d *Datapath) Commit(delta policy.Delta) error {
	// What is pending belongs to nobody's transaction.
	d.Refresh()
	before := d.Inverse(delta)
	allowed := allowance{Limits: d.limits, module: delta.Module, before: d.book.load()}
	if err := d.apply(delta, before, allowed); err != nil {
		return err
	}
	err := allowed.check(d.book.load(), false)
	if err != nil {
		_ = d.apply(before, policy.Delta{}, allowance{}) // was in force before
	}
	return err
}

// Restore is Commit of what was in force before: nothing bounds it.
func (d *Datapath) Restore(delta policy.Delta) error {
	d.Refresh()
	return d.apply(delta, d.Inverse(delta), allowance{})
}

// Inverse is the change that takes another back, which has not been made yet.
func (d *Datapath) Inverse(delta policy.Delta) policy.Delta {
	u := policy.Delta{Module: delta.Module, Order: delta.Order}
	set := func(k policy.Key) {
		if s := d.rules.sets[k]; s != nil && s.spec != nil {
			u.PutSets = append(u.PutSets, policy.Set{Key: k, Spec: s.spec})
		} else {
			u.DeleteSets = append(u.DeleteSets, k)
		}
	}
	for _, s := range delta.PutSets {
		set(s.Key)
	}
	for _, k := range delta.DeleteSets {
		set(k)
	}
	rule := func(k policy.Key) {
		if r := d.rules.byKey[k]; r != nil {
			u.PutRules = append(u.PutRules, policy.Rule{Key: k, Order: r.order, Spec: r.spec})
		} else {
			u.DeleteRules = append(u.DeleteRules, k)
		}
	}
	for _, r := range delta.PutRules {
		rule(r.Key)
	}
	for _, k := range delta.DeleteRules {
		rule(k)
	}
	isolation := func(k policy.Key) {
		if r := d.rules.byKey[isolationKey(k)]; r != nil {
			u.PutIsolations = append(u.PutIsolations, policy.Isolation{Key: k, Spec: abi.IsolationSpec{
				Tier: r.spec.Tier, Direction: r.spec.Direction, Subjects: r.spec.Subjects, Origin: r.spec.Origin,
			}})
		} else {
			u.DeleteIsolations = append(u.DeleteIsolations, k)
		}
	}
	for _, i := range delta.PutIsolations {
		isolation(i.Key)
	}
	for _, k := range delta.DeleteIsolations {
		isolation(k)
	}
	return u
}

// checkBlocks refuses lookups of blocks before they are made, as a single set may
// bring a million.
func (d *Datapath) checkBlocks(allowed allowance, changes inventory.Changes) error {
	most := d.book.load()
	most.flows += 2 * len(changes.Blocks)
	if allowed.check(most, true) == nil {
		return nil
	}
	ahead := d.book.load()
	for _, b := range changes.Blocks {
		e := d.book.entries[blockFlows(b.Prefix, b.Block)[0].Key()]
		there := e != nil && e.present
		switch {
		case b.Block == 0 && there:
			ahead.flows -= 2
		case b.Block != 0 && !there:
			ahead.flows += 2
		}
	}
	return allowed.check(ahead, true)
}
