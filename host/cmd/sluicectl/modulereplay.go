package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/recording"
	"github.com/sluice-net/sluice/host/sandbox"
	"github.com/sluice-net/sluice/host/verdict"
	"github.com/sluice-net/sluice/modules/embedded"
)

// Replay is what `module replay` prints as JSON.
type Replay struct {
	recording.Replayed
	Header recording.Header `json:"header"`
	// Exact: the module is the recorded one, and its answers are compared byte by
	// byte. Otherwise what both hold in the end is compared.
	Exact bool `json:"exact"`
	// Lines are what another module holds in the end and the recorded one does not
	// ("+"), or the reverse ("-").
	Lines []string `json:"lines,omitempty"`
}

type replayFlags struct {
	registry                registryFlags
	module, sandbox, output string
	recorded                string
}

func moduleReplayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay RECORDING --module MODULE",
		Short: "Hand a module what it was handed on a node, and compare what it answers",
		Long: `Hand a module, in its real sandbox, the batches of a recording. If it is the module that was recorded (the
same digest), all that it emits is compared byte by byte with what it emitted then. With another one, the
flow requests that both hold in the end are compared; for that the recorded module is needed too
(--recorded), unless it is a built-in one. Without --module the recorded one is replayed, if it is built-in.

` + moduleHelp + `

Exit codes: 0 the same, 1 a difference, which is shown, 2 it could not be tried.`,
		Example: `  sluicectl module replay networkpolicy.recording
  sluicectl module replay web.recording --module web-2.wasm --recorded web-1.wasm`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := f.run(c.Context(), args[0])
			if err != nil {
				return &codedError{exitTrouble, err}
			}
			if f.output == "json" {
				err = writeJSON(c.OutOrStdout(), r)
			} else {
				err = r.write(c)
			}
			if err != nil {
				return &codedError{exitTrouble, err}
			}
			if r.Difference != "" || len(r.Lines) > 0 {
				return &codedError{exitDiffers, errors.New("the answers differ")}
			}
			return nil
		},
	}
	f.registry.add(c)
	c.Flags().StringVar(&f.module, "module", "", "the module to replay with")
	c.Flags().StringVar(&f.recorded, "recorded", "", "the module that was recorded")
	c.Flags().StringVar(&f.sandbox, "sandbox", "", "the program sluice-sandbox (default: beside this one)")
	c.Flags().StringVarP(&f.output, "output", "o", "text", `"text" or "json"`)
	return c
}

func (f *replayFlags) run(ctx context.Context, path string) (Replay, error) {
	if err := checkOutput(f.output, "text", "json"); err != nil {
		return Replay{}, err
	}
	r, err := recording.Load(path)
	if err != nil {
		return Replay{}, err
	}
	out := Replay{Header: r.Header}
	program, err := sandboxProgram(f.sandbox)
	if err != nil {
		return out, err
	}
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	options := recording.Options{Launcher: launcher, SandboxPath: program}

	if f.module == "" {
		if options.Wasm, err = f.recordedWasm(ctx, r.Digest); err != nil {
			return out, err
		}
	} else {
		m, err := f.registry.get(ctx, f.module, artifact.Options{})
		if err != nil {
			return out, err
		}
		options.Wasm = m.wasm
	}
	out.Exact = digestOf(options.Wasm) == r.Digest
	options.Exact = out.Exact
	if out.Replayed, err = recording.Replay(ctx, r, options); err != nil || out.Exact || out.Difference != "" {
		return out, err
	}
	options.Wasm, err = f.recordedWasm(ctx, r.Digest)
	if err != nil {
		return out, err
	}
	then, err := recording.Replay(ctx, r, options)
	if err != nil {
		return out, err
	}
	if then.Difference != "" {
		return out, fmt.Errorf("the recorded module does not get through its own recording: %s", then.Difference)
	}
	out.Lines, err = compareLines(verdict.RequestsOf(then.Layer), verdict.RequestsOf(out.Layer))
	return out, err
}

// recordedWasm finds the module that was recorded.
func (f *replayFlags) recordedWasm(ctx context.Context, digest string) ([]byte, error) {
	if f.recorded != "" {
		m, err := f.registry.get(ctx, f.recorded, artifact.Options{Digest: digest})
		return m.wasm, err
	}
	for _, name := range embedded.Names() {
		if wasm, err := embedded.Module(name); err == nil && digestOf(wasm) == digest {
			return wasm, nil
		}
	}
	return nil, fmt.Errorf("the recorded module, %s, is no built-in one: name its file with --recorded", digest)
}

// compareLines compares what modules hold, as YAML, request by request.
func compareLines(then, now verdict.Requests) ([]string, error) {
	var sides [2][]string
	for i, r := range []verdict.Requests{then, now} {
		add := func(kind string, v any) error {
			text, err := yaml.Marshal(v)
			sides[i] = append(sides[i], kind+"\n  "+strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  "))
			return err
		}
		for _, s := range r.Sets {
			if err := add("set", s); err != nil {
				return nil, err
			}
		}
		for _, s := range r.Rules {
			if err := add("rule", s); err != nil {
				return nil, err
			}
		}
		for _, s := range r.Isolations {
			if err := add("isolation", s); err != nil {
				return nil, err
			}
		}
		slices.Sort(sides[i])
	}
	var lines []string
	for i, sign := range []string{"- ", "+ "} {
		for _, text := range sides[i] {
			if _, both := slices.BinarySearch(sides[1-i], text); !both {
				lines = append(lines, sign+text)
			}
		}
	}
	return lines, nil
}

func (r Replay) write(c *cobra.Command) error {
	out := c.OutOrStdout()
	switch {
	case r.Difference != "":
		_, err := fmt.Fprintln(out, r.Difference)
		return err
	case r.Exact:
		_, err := fmt.Fprintf(out, "the same: %d batches, %d calls of emit, byte by byte\n", r.Batches, r.Calls)
		return err
	case len(r.Lines) == 0:
		_, err := fmt.Fprintf(out, "the same flow requests after %d batches\n", r.Batches)
		return err
	}
	_, err := fmt.Fprintln(out, strings.Join(r.Lines, "\n"))
	return err
}
