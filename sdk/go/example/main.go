package main

import (
	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

const closedLabel = "example.sluice.net/closed"

func init() { sluice.Register(newModule) }

func main() {}

func newModule() sluice.Module { return &module{} }

// module has no state: what a namespace stands for can be read off the namespace.
type module struct{}

func (*module) Reset() {}

func (*module) Configure(*sluice.Tx, []byte) error { return nil }

func (*module) Put(tx *sluice.Tx, o sluice.Object) error {
	closed, err := isClosed(o.JSON)
	if err != nil {
		// The object is wrong, not the batch: say so, and stand for nothing.
		return tx.Declare(o.ID(), &abi.Report{
			Object:    o.Origin(""),
			Condition: abi.Condition{Type: "Accepted", Reason: "Unreadable", Message: err.Error()},
		})
	}
	name := "namespace/" + o.Name
	requests := []abi.Request{
		&abi.PutSet{Name: name, Spec: &abi.Pods{Namespaces: []string{o.Name}}},
		&abi.PutRule{Name: name, Spec: abi.RuleSpec{
			Tier: abi.Baseline, Direction: abi.Ingress,
			Subjects: []string{name}, Peers: []string{name},
			Action: abi.Allow, Origin: o.Origin(""),
		}},
	}
	if closed {
		requests = append(requests, &abi.PutIsolation{Name: name, Spec: abi.IsolationSpec{
			Tier: abi.Baseline, Direction: abi.Ingress, Subjects: []string{name}, Origin: o.Origin("metadata.labels"),
		}})
	}
	return tx.Declare(o.ID(), requests...)
}

func (*module) Delete(tx *sluice.Tx, o sluice.Object) error { return tx.Declare(o.ID()) }

// isClosed reads one label of a Namespace.
func isClosed(json []byte) (closed bool, err error) {
	d := jsonscan.New(json)
	err = d.Object(func(key []byte) error {
		if string(key) != "metadata" {
			return nil
		}
		return d.Object(func(key []byte) error {
			if string(key) != "labels" {
				return nil
			}
			return d.Object(func(key []byte) error {
				if string(key) != closedLabel {
					return nil
				}
				value, err := d.String()
				closed = value == "true"
				return err
			})
		})
	})
	return closed, err
}
