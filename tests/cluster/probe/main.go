package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say serve, stream or dial")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	count := flags.Int("n", 0, "attempts; 0: no end")
	network := flags.String("network", "tcp", "tcp or udp")
	patience := flags.Duration("patience", dialTimeout, "after which an attempt is taken for refused")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch {
	case args[0] == "serve" && flags.NArg() == 1:
		return serve(flags.Arg(0))
	case args[0] == "stream" && flags.NArg() == 2:
		return stream(flags.Arg(0), flags.Arg(1), &report{})
	case args[0] == "dial" && flags.NArg() == 1:
		return dial(dialing{*network, flags.Arg(0), *patience}, *count, &report{})
	}
	return fmt.Errorf("%v: no such command; see the package's documentation", args)
}

// report writes lines of JSON, one at a time.
type report struct{ mu sync.Mutex }

func (r *report) line(value any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(value) // nobody is left to hear of a broken pipe
}
