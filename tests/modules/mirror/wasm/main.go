// Command wasm is package mirror as a module.
package main

import (
	sluice "github.com/sluice-net/sluice/sdk/go"
	"github.com/sluice-net/sluice/tests/modules/mirror"
)

func init() { sluice.Register(mirror.New) }

func main() {}
