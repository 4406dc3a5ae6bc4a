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

	abi bool // it is a check of the testkit
}

func (r ScenarioResult) isScenario() bool { return !r.abi }

func (r ScenarioResult) ok() bool { return r.Error == "" && len(r.Faults) == 0 }

type testFlags struct {
	offline
	scenarios string
	output    string
}

func moduleTestCommand() *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test (MODULE | DIR) [--manifests PATH...] [--scenarios DIR]",
		Short: "Hold a module against the ABI and its scenarios, without sending packets",
		Long: `Of a folder with a module's source first its own tests are run, in its language's way, and then it is built.

The module is asked, in its real sandbox, whether it keeps to the ABI: whether a batch is a pure function of
state, whether the same batches give the same requests, what it does with refusals, with objects that cannot be
read, with many. The objects are those of --manifests and of the scenarios; of a kind without any, some are made up.

Then, if there are scenarios, it handles the manifests of each, and what policy says of every connection is
compared with what the scenario expects. A scenario is a folder with manifests (*.yaml), a file "expected" and,
if the module needs one, its configuration in "config.json":

    FROM -> TO PORT/PROTOCOL OUTCOME [FAMILY]   # comment
    shop/web -> shop/db 5432/TCP  allow
    *        -> shop/db *         deny

FROM and TO are Pods (namespace/name) with the ports that they declare, host and external with the ports that
the file names and 80/TCP, or patterns; the first line that fits decides; OUTCOME
is allow, deny or any; FAMILY is v4 or v6. "sluicectl lab run" tries the same folders on real packets.

` + moduleHelp + `

Exit codes: 0 all is as expected, 1 something is not, 2 nothing could be tested, 3 a compiler is missing.`,
		Example: "  sluicectl module test web.wasm\n  sluicectl module test web.wasm --manifests shop/ --scenarios scenarios/\n  sluicectl module test modules/quarantine\n  sluicectl module test networkpolicy --scenarios tests/lab/testdata -o json",
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
			if !slices.ContainsFunc(results, ScenarioResult.isScenario) {
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "no scenarios were given: whether the module means what its author meant was not tested (--scenarios DIR)")
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
	f.addManifests(c)
	c.Flags().StringVar(&f.scenarios, "scenarios", "", "folder of scenarios, each a folder (default: scenarios, in the module's folder or this one)")
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
	folders, err := f.folders(text)
	if err != nil {
		return nil, err
	}
	if err := f.checkManifests(m.wasm); err != nil {
		return nil, err
	}
	manifests := slices.Clone(f.manifests)
	for _, folder := range folders {
		own, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, own...)
	}
	results, err := f.conforms(ctx, m, manifests)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
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

// folders are the scenarios. Where a person says that they are, some must be.
func (f *testFlags) folders(text string) ([]string, error) {
	within := f.scenarios
	if within == "" {
		if within = "scenarios"; isSource(text) {
			within = filepath.Join(text, within)
		}
	}
	folders, err := filepath.Glob(filepath.Join(within, "*", scenario.File))
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 && f.scenarios != "" {
		return nil, fmt.Errorf("%s: there is no scenario: make a folder in it with manifests and a file named %q", within, scenario.File)
	}
	for i, file := range folders {
		folders[i] = filepath.Dir(file)
	}
	return folders, nil
}

// module gets the module; of a folder of source it runs the module's own tests
// and builds it.
func (f *testFlags) module(ctx context.Context, text string, progress io.Writer) (module, error) {
	if !isSource(text) {
		return f.registry.get(ctx, text, artifact.Options{})
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
