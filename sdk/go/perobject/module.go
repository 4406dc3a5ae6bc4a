// Package perobject is a policy module in which each object is translated by
// itself, which is all that most policy languages need.
//
// What an object that cannot be translated said before stays in force, and its
// author is told what is wrong with it; other objects are not affected. (A
// module that starts with such an object, having seen no better version of it,
// declares nothing for it.) When the module dies nothing is lost: all it
// knows is the host's, and is handed to it again.
package perobject

import (
	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// Accepted is the type of the condition that a Module reports of each object.
const Accepted = "Accepted"

// Degraded is a report on an object that is in force, but not in every respect
// as its author will have meant it.
func Degraded(object abi.Origin, reason, message string) *abi.Report {
	return &abi.Report{Object: object, Condition: abi.Condition{Type: Accepted, True: true, Reason: reason, Message: message}}
}

// Module is a sluice.Module for the objects of one resource; it ignores others.
type Module struct {
	// Resource is the plural with its group, as in sluice.Object.
	Resource string
	// Translate says what an object stands for. It may not keep json, must
	// answer the same for the same arguments, and must give names that no other
	// object's requests have, unless their content is the same. It may end with
	// one *abi.Report of the condition Accepted, made by Degraded, if the author
	// should know something of an object that is in force.
	Translate func(namespace, name string, json []byte) ([]abi.Request, error)
}

var _ sluice.Module = (*Module)(nil)

// Reset has nothing to forget.
func (m *Module) Reset() {}

// Configure has nothing to set.
func (m *Module) Configure(*sluice.Tx, []byte) error { return nil }

// Put declares what the object stands for, and reports whether it could.
func (m *Module) Put(tx *sluice.Tx, o sluice.Object) error {
	if o.Resource != m.Resource {
		return nil
	}
	var requests []abi.Request
	err := checkNames(o)
	if err == nil {
		requests, err = m.Translate(o.Namespace, o.Name, o.JSON)
	}
	if err != nil {
		return m.report(tx, o, abi.Condition{Type: Accepted, Reason: "Invalid", Message: err.Error()})
	}
	if err := withinLimits(requests, len(o.JSON)); err != nil {
		return m.report(tx, o, abi.Condition{Type: Accepted, Reason: "TooLarge", Message: err.Error()})
	}
	condition := abi.Condition{Type: Accepted, True: true, Reason: "Translated"}
	if n := len(requests); n > 0 {
		if report, ok := requests[n-1].(*abi.Report); ok {
			condition, requests = report.Condition, requests[:n-1]
		}
	}
	if err := tx.Declare(o.ID(), requests...); err != nil {
		return err
	}
	return m.report(tx, o, condition)
}

// Delete takes back what was declared for the object.
func (m *Module) Delete(tx *sluice.Tx, o sluice.Object) error {
	if o.Resource != m.Resource {
		return nil
	}
	if err := tx.Declare(o.ID()); err != nil {
		return err
	}
	return tx.Declare(reportOf(o))
}

// report declares a condition apart from the requests, which stay what they are
// when only the condition changes.
func (m *Module) report(tx *sluice.Tx, o sluice.Object, c abi.Condition) error {
	c.Message = brief(c.Message)
	return tx.Declare(reportOf(o), &abi.Report{Object: o.Origin(""), Condition: c})
}

func reportOf(o sluice.Object) string { return "report on " + o.ID() }
