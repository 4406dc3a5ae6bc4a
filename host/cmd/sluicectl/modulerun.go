package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/verdict"
)

// Run is what `module run` prints.
type Run struct {
	Requests verdict.Requests `json:"requests"`
	Reports  []Report         `json:"reports"`
	Probes   []verdict.Probe  `json:"probes,omitempty"`
}

func moduleRunCommand() *cobra.Command {
	var o offline
	var output string
	var requestsOnly bool
	c := &cobra.Command{
		Use:   "run MODULE --manifests PATH...",
		Short: "Let a module handle manifests, and show what it asks for and what that means",
		Long: `Let a module handle manifests in its real sandbox, without a switch and without privileges. It
prints the flow requests that it emitted (sets, rules, isolations), what it reports to the authors of
objects, and which Pod may connect to which port of which other.

` + moduleHelp,
		Example: "  sluicectl module run web.wasm --manifests shop/\n  sluicectl module run networkpolicy --manifests shop/ -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "yaml", "json"); err != nil {
				return err
			}
			spec, err := o.get(c.Context(), args[0], 0)
			if err != nil {
				return err
			}
			r, err := o.run(c.Context(), []plugin.Spec{spec}, c.ErrOrStderr())
			if err != nil {
				return err
			}
			run := Run{Requests: verdict.RequestsOf(r.loaded.View.Layers[0]), Reports: r.reports}
			if !requestsOnly {
				if run.Probes, err = r.matrix(podsOf(r.plan)); err != nil {
					return err
				}
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), run)
			}
			return run.write(c.OutOrStdout(), r.plan)
		},
	}
	o.addManifests(c)
	o.add(c)
	c.Flags().BoolVar(&requestsOnly, "requests-only", false, "leave out who may connect to whom")
	c.Flags().StringVarP(&output, "output", "o", "yaml", `"yaml" (and a table) or "json"`)
	return c
}

func (r Run) write(out io.Writer, plan *lab.Plan) error {
	if err := writeYAML(out, r.Requests); err != nil {
		return err
	}
	for _, report := range r.Reports {
		if _, err := fmt.Fprintf(out, "# %s: %s=%v %s: %s\n", report.Object, report.Type, report.Status, report.Reason, report.Message); err != nil {
			return err
		}
	}
	if r.Probes == nil {
		return nil
	}
	matrix := lab.Matrix{Nodes: plan.Nodes}
	for _, p := range r.Probes {
		matrix.Probes = append(matrix.Probes, lab.Probe{From: p.From, To: p.To, Address: p.Address, Protocol: p.Protocol, Port: p.Port, Connected: p.Connected, Answers: p.Answers, Partly: p.Partly})
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return matrix.WriteTable(out, lab.DefaultStyle())
}

// podsOf are the Pods of a plan with the ports that they declare.
func podsOf(plan *lab.Plan) []verdict.End {
	var ends []verdict.End
	for _, p := range plan.Pods {
		ends = append(ends, verdict.End{Name: p.Key(), Addresses: p.Addresses, Ports: ports(p.Ports)})
	}
	return ends
}
