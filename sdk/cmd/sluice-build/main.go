// Command sluice-build makes the Wasm file of a policy module, in any language
// that has an SDK, or runs the module's own tests.
//
//	sluice-build -o bin/modules/quarantine.wasm modules/quarantine
//	sluice-build -test modules/quarantine
//
// If compilers are missing it says how to get them and ends with 3; with
// -missing-ok it writes nothing then and ends with 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/sluice-net/sluice/sdk/toolchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("sluice-build", flag.ContinueOnError)
	out := flags.String("o", "", "`file` to write")
	test := flags.Bool("test", false, "run the module's tests instead")
	missingOK := flags.Bool("missing-ok", false, "a missing compiler is no failure")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() != 1 || *test == (*out != "") {
		fmt.Fprintln(os.Stderr, "sluice-build: give one folder of a module, and either -o or -test")
		return 2
	}
	err := work(ctx, flags.Arg(0), *out)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "sluice-build:", err)
	var missing *toolchain.MissingError
	switch {
	case !errors.As(err, &missing):
		return 1
	case *missingOK:
		return 0
	}
	return 3
}

func work(ctx context.Context, dir, out string) error {
	if out == "" {
		return toolchain.Test(ctx, dir, os.Stdout)
	}
	return toolchain.Build(ctx, dir, out, os.Stdout)
}
