// Command latefault is the networkpolicy module with a fault: a policy named
// "fault" makes it panic. Until then nothing tells it from a good one.
package main

import (
	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/sdk/go/perobject"
)

func init() {
	sluice.Register(func() sluice.Module {
		return &perobject.Module{Resource: translate.Resource, Translate: func(namespace, name string, json []byte) ([]abi.Request, error) {
			if name == "fault" {
				panic("a fault that no test found")
			}
			return translate.Policy(namespace, name, json)
		}}
	})
}

func main() {}
