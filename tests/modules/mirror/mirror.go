// Package mirror is a module for tests and benchmarks, in Go: for every Pod that
// it hears of there is one set, whose selector tells which version of the Pod it
// was made from, and one rule. So a test can read from what is in force what the
// module was told last.
package mirror

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// New returns the module.
func New() sluice.Module { return module{} }

type module struct{}

func (module) Reset() {}

func (module) Configure(tx *sluice.Tx, json []byte) error {
	if len(json) == 0 {
		return nil
	}
	return tx.Declare("configuration", &abi.PutSet{Name: "configuration", Spec: Spec(string(json), "")})
}

func (module) Put(tx *sluice.Tx, o sluice.Object) error {
	name, err := readName(o.JSON)
	if err != nil {
		return err
	}
	return tx.Declare(o.ID(),
		&abi.PutSet{Name: o.Name, Spec: Spec(name, strconv.FormatInt(o.Generation, 10))},
		&abi.PutRule{Name: o.Name, Spec: abi.RuleSpec{
			Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{o.Name}, AnyPeer: true,
			Action: abi.Allow, Origin: o.Origin(""),
		}})
}

func (module) Delete(tx *sluice.Tx, o sluice.Object) error { return tx.Declare(o.ID()) }

// Spec is the set for an object of this name and version.
func Spec(name, version string) abi.SetSpec {
	return &abi.Pods{
		Namespaces: []string{"default"},
		PodSelector: abi.Selector{Requirements: []abi.Requirement{
			{Key: "mirror", Operator: abi.In, Values: []string{name, version}},
		}},
	}
}

// readName reads metadata.name, as a module that is worth its name would.
func readName(json []byte) (name string, err error) {
	d := jsonscan.New(json)
	err = d.Object(func(key []byte) error {
		if string(key) != "metadata" {
			return nil
		}
		return d.Object(func(key []byte) error {
			if string(key) != "name" {
				return nil
			}
			name, err = d.String()
			return err
		})
	})
	return name, err
}
