package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/scenario"
	"github.com/sluice-net/sluice/host/verdict"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

// ScenarioResult is one scenario of `module test`.
type ScenarioResult struct {
	Scenario string           `json:"scenario"`
	Probes   int              `json:"probes"`
	Faults   []scenario.Fault `json:"faults"`
	Error    string           `json:"error,omitempty"` // it could not be run
}

func (r ScenarioResult) ok() bool { return r.Error == "" && len(r.Faults) == 0 }

type testFlags struct {
	offline
	scenarios string
	output    string
}

func moduleTestCommand() *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test (MODULE | DIR) [--scenarios DIR]",
		Short: "Hold a module against the ABI and its scenarios, without sending packets",
		Long: `First the module is asked whether it keeps to the ABI: whether a batch is a pure function of state, whether
the same batches give the same requests, what it does with refusals, with objects that cannot be read, with many.

Let a module handle the manifests of each scenario in its real sandbox, and compare what policy says
of every connection with what the scenario expects. Of a folder with a module's source its own tests are run
first, in its language's way, and then it is built. A scenario is a folder with manifests (*.yaml), a
file "expected" and, if the module needs one, its configuration in "config.json":

    FROM -> TO PORT/PROTOCOL OUTCOME [FAMILY]   # comment
    shop/web -> shop/db 5432/TCP  allow
    *        -> shop/db *         deny

FROM and TO are Pods (namespace/name) with the ports that they declare, host and external with the ports that
the file names and 80/TCP, or patterns; the first line that fits decides; OUTCOME
is allow, deny or any; FAMILY is v4 or v6. "sluicectl lab run" tries the same folders on real packets.

` + moduleHelp + `

Exit codes: 0 all is as expected, 1 something is not, 2 nothing could be tested, 3 a compiler is missing.`,
		Example: "  sluicectl module test web.wasm --scenarios scenarios/\n  sluicectl module test modules/quarantine\n  sluicectl module test networkpolicy --scenarios tests/lab/testdata -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			results, err := f.run(c.Context(), args[0], c.ErrOrStderr())
			if err != nil {
				if _, has := errors.AsType[*codedError](err); has {
					return err
				}
				return &codedError{2, err}
			}
			if f.output == "json" {
				err = writeJSON(c.OutOrStdout(), results)
			} else {
				err = writeResults(c.OutOrStdout(), results)
			}
			if err != nil {
				return err
			}
			failed := 0
			for _, r := range results {
				if !r.ok() {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks and scenarios failed", failed, len(results))
			}
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.scenarios, "scenarios", "", "folder of scenarios, each a folder (default: scenarios, in the module's folder)")
	c.Flags().StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
	return c
}

func (f *testFlags) run(ctx context.Context, text string, progress io.Writer) ([]ScenarioResult, error) {
	if err := checkOutput(f.output, "table", "json"); err != nil {
		return nil, err
	}
	m, err := f.module(ctx, text, progress)
	if err != nil {
		return nil, err
	}
	if f.scenarios == "" {
		f.scenarios = "scenarios"
	}
	folders, err := filepath.Glob(filepath.Join(f.scenarios, "*", scenario.File))
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("%s: there is no scenario: make a folder in it with manifests and a file named %q", f.scenarios, scenario.File)
	}
	manifests, err := filepath.Glob(filepath.Join(f.scenarios, "*", "*.yaml"))
	if err != nil {
		return nil, err
	}
	results, err := f.conforms(ctx, m, manifests)
	if err != nil {
		return nil, err
	}
	for _, file := range folders {
		folder := filepath.Dir(file)
		r, err := f.one(ctx, m, folder, progress)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.Error = err.Error()
		}
		results = append(results, r)
	}
	return results, nil
}

// module gets the module; of a folder of source it runs the module's own tests
// and builds it.
func (f *testFlags) module(ctx context.Context, text string, progress io.Writer) (module, error) {
	if !isSource(text) {
		return f.registry.get(ctx, text, artifact.Options{})
	}
	if f.scenarios == "" {
		f.scenarios = filepath.Join(text, "scenarios")
	}
	if err := toolchain.Test(ctx, text, progress); err != nil {
		return module{}, coded(err)
	}
	scratch, err := os.MkdirTemp("", "sluice-module-")
	if err != nil {
		return module{}, err
	}
	defer os.RemoveAll(scratch)
	built, err := build(ctx, text, filepath.Join(scratch, "module.wasm"), progress)
	if err != nil {
		return module{}, err
	}
	return f.registry.get(ctx, built.File, artifact.Options{})
}

func (f *testFlags) one(ctx context.Context, m module, folder string, progress io.Writer) (ScenarioResult, error) {
	result := ScenarioResult{Scenario: filepath.Base(folder), Faults: []scenario.Fault{}}
	expected, err := scenario.Read(filepath.Join(folder, scenario.File))
	if err != nil {
		return result, err
	}
	o := f.offline
	if own := filepath.Join(folder, "config.json"); o.config == "" {
		if _, err := os.Stat(own); !errors.Is(err, os.ErrNotExist) {
			o.config = own
		}
	}
	if o.manifests, err = filepath.Glob(filepath.Join(folder, "*.yaml")); err != nil {
		return result, err
	}
	spec, err := o.spec(m.name, m.wasm, 0)
	if err != nil {
		return result, err
	}
	r, err := o.run(ctx, []plugin.Spec{spec}, progress)
	if err != nil {
		return result, err
	}
	ends, err := endsOf(r.plan, expected)
	if err != nil {
		return result, err
	}
	judged, err := r.matrix(ends)
	if err != nil {
		return result, err
	}
	var probes []scenario.Probe
	for _, p := range judged {
		if p.From == p.To && !strings.Contains(p.From, "/") {
			continue // a node with itself is not policy's business
		}
		slices.Sort(p.Answers)
		probes = append(probes, scenario.Probe{
			From: p.From, To: p.To, Address: p.Address, Protocol: p.Protocol, Port: p.Port,
			Connected: p.Connected, Answers: p.Answers, Partly: p.Partly,
		})
	}
	result.Probes = len(probes)
	result.Faults = append(result.Faults, expected.Check(probes, nil)...)
	return result, nil
}

// endsOf are the ends that a lab of this plan has. What the host and the world
// outside listen on is TCP port 80 and what the scenario asks about.
func endsOf(plan *lab.Plan, expected *scenario.Expected) ([]verdict.End, error) {
	ends := podsOf(plan)
	add := func(name string, addresses []netip.Addr) error {
		end := verdict.End{Name: name, Addresses: addresses, Ports: []verdict.Port{{Protocol: "TCP", Number: 80}}}
		for _, text := range expected.Ports(name) {
			number, protocol, _ := strings.Cut(text, "/")
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil {
				return fmt.Errorf("port %q: write it as 80/TCP", text)
			}
			if port := (verdict.Port{Protocol: protocol, Number: uint16(n)}); !slices.Contains(end.Ports, port) {
				end.Ports = append(end.Ports, port)
			}
		}
		ends = append(ends, end)
		return nil
	}
	for _, n := range plan.Nodes {
		name := lab.Host
		if len(plan.Nodes) > 1 {
			name += ":" + n.Name
		}
		if err := add(name, n.Addresses); err != nil {
			return nil, err
		}
	}
	return ends, add(lab.External, plan.External)
}

func writeResults(out io.Writer, results []ScenarioResult) error {
	for _, r := range results {
		word := "ok    "
		if !r.ok() {
			word = "FAILED"
		}
		count := ""
		if r.Probes > 0 {
			count = fmt.Sprintf(" (%d connections)", r.Probes)
		}
		if _, err := fmt.Fprintf(out, "%s  %s%s\n", word, r.Scenario, count); err != nil {
			return err
		}
		if r.Error != "" {
			_, _ = fmt.Fprintf(out, "        %s\n", r.Error)
		}
		for _, fault := range r.Faults {
			_, _ = fmt.Fprintf(out, "        %s\n", fault.Text)
		}
	}
	return nil
}
