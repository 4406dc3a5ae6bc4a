// Command networkpolicy is the policy module for NetworkPolicy of
// networking.k8s.io/v1, in package translate.
package main

import (
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/perobject"
)

func init() {
	sluice.Register(newModule)
}

func newModule() sluice.Module {
	return &perobject.Module{Resource: translate.Resource, Translate: translate.Policy}
}

func main() {}
