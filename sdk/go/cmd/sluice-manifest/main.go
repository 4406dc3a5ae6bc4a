// Command sluice-manifest puts the manifest of a module into its Wasm file, in
// place of one that is there. It checks both before it writes anything.
//
//	sluice-manifest -manifest manifest.json -in module.wasm -out module.wasm
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sluice-manifest:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("sluice-manifest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	manifest := flags.String("manifest", "", "`file` with the manifest, in JSON")
	in := flags.String("in", "", "Wasm `file` of the module")
	out := flags.String("out", "", "`file` to write; may be the same as -in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *manifest == "" || *in == "" || *out == "" || flags.NArg() > 0 {
		return fmt.Errorf("-manifest, -in and -out are needed, and nothing else")
	}
	text, err := os.ReadFile(*manifest)
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(*in)
	if err != nil {
		return err
	}
	with, err := binary.WithManifest(wasm, text)
	if err != nil {
		return fmt.Errorf("putting %s into %s: %w", *manifest, *in, err)
	}
	return toolchain.WriteWhole(*out, with)
}
