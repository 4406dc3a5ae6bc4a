package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
)

// Exit codes of diff and replay, as those of diff(1).
const (
	exitDiffers = 1
	exitTrouble = 2
)

type diffFlags struct {
	offline
	beside []string
	output string
	limit  int
	live   bool
	socket string
}

func moduleDiffCommand() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff (OLD NEW --manifests PATH... | MODULE --live)",
		Short: "Show which connections another version of a module would newly deny or newly allow",
		Long: `Let two versions of a module handle the same manifests, and compare what becomes of every connection:
between all Pods, nodes and blocks of addresses that policy can tell apart, on every port where
anything begins or ends. It shows what would be newly denied and newly allowed, with the names of Pods.

With --live it is about a module that runs in mode Shadow on this node: what it would change if it were
enforced, in the place of the module that it names with insteadOf or as one more, for the objects and the policy
of this moment; and how many of the connections that are open on the bridge now it would cut. To see what a new
version would do, run it beside the old one first: a PolicyModule, or an entry of the agent's "modules", with
"mode: Shadow" and "insteadOf: NAME".

` + moduleHelp + `

Exit codes: 0 no verdict changes, 1 some do, 2 the comparison could not be made.`,
		Example: `  sluicectl module diff registry.example/team/web:1.2 ./web.wasm --manifests shop/
  sluicectl module diff web-1.wasm web-2.wasm --beside networkpolicy --manifests shop/ -o json
  sluicectl module diff web --live`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			var report compare.Report
			var err error
			if f.live {
				report, err = f.showLive(c, args)
			} else {
				report, err = f.show(c, args)
			}
			switch {
			case err != nil:
				return &codedError{exitTrouble, err}
			case report.NewDenies+report.NewAllows+report.NewAnswers > 0:
				return &codedError{exitDiffers, errors.New("the verdicts differ")}
			}
			return nil
		},
	}
	f.addManifests(c)
	f.add(c)
	c.Flags().StringArrayVar(&f.beside, "beside", nil, "a module that is in force in both cases, asked after the one that changes (repeatable)")
	c.Flags().BoolVar(&f.live, "live", false, "compare a module in mode Shadow with what is in force on this node")
	c.Flags().StringVar(&f.socket, "socket", observe.DefaultSocket, "with --live: admin socket of the agent")
	c.Flags().IntVar(&f.limit, "limit", 100, "how many changes to list; the sums count all")
	c.Flags().StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
	return c
}

// show compares two versions over manifests.
func (f *diffFlags) show(c *cobra.Command, args []string) (compare.Report, error) {
	if len(args) != 2 {
		return compare.Report{}, errors.New("name two versions of a module, or one that runs in mode Shadow with --live")
	}
	result, err := f.compare(c, args[0], args[1])
	if err != nil {
		return compare.Report{}, err
	}
	report := result.Report()
	if f.output == "json" {
		return report, writeJSON(c.OutOrStdout(), report)
	}
	return report, writeReport(c.OutOrStdout(), report)
}

// showLive has the agent compare a shadow with what is in force.
func (f *diffFlags) showLive(c *cobra.Command, args []string) (compare.Report, error) {
	if len(args) != 1 || len(f.manifests) > 0 {
		return compare.Report{}, errors.New("--live takes the name of one module and no manifests")
	}
	if err := checkOutput(f.output, "table", "json"); err != nil {
		return compare.Report{}, err
	}
	client := observe.NewClient(f.socket)
	defer client.Close()
	var s agent.ShadowStatus
	if err := client.Get(c.Context(), "/v1/modules/diff", url.Values{"module": {args[0]}}, &s); err != nil {
		return compare.Report{}, err
	}
	if s.Error != "" {
		return compare.Report{}, errors.New(s.Error)
	}
	if f.output == "json" {
		return s.Report, writeJSON(c.OutOrStdout(), s)
	}
	if err := writeReport(c.OutOrStdout(), s.Report); err != nil {
		return s.Report, err
	}
	return s.Report, writeTraffic(c.OutOrStdout(), &s)
}

// writeTraffic says what of today's traffic a shadow would cut.
func writeTraffic(out io.Writer, s *agent.ShadowStatus) error {
	if s.TrafficError != "" {
		_, err := fmt.Fprintln(out, "open connections could not be looked at:", s.TrafficError)
		return err
	}
	_, err := fmt.Fprintf(out, "%d of %d open connections would be cut\n", s.WouldCut, s.Connections)
	for _, example := range s.CutExamples {
		if err == nil {
			_, err = fmt.Fprintln(out, "  "+example)
		}
	}
	return err
}

func (f *diffFlags) compare(c *cobra.Command, old, now string) (compare.Result, error) {
	if err := checkOutput(f.output, "table", "json"); err != nil {
		return compare.Result{}, err
	}
	if f.limit < 1 {
		return compare.Result{}, fmt.Errorf("--limit %d: give 1 or more", f.limit)
	}
	var sides [2]ran
	for i, text := range []string{old, now} {
		specs, err := f.specs(c.Context(), text)
		if err != nil {
			return compare.Result{}, err
		}
		if sides[i], err = f.handle(c, specs); err != nil {
			return compare.Result{}, fmt.Errorf("%s: %w", text, err)
		}
	}
	return compare.Compare(c.Context(), sides[0].loaded.View.Inventory, frozen(sides[0].loaded.View.Layers), frozen(sides[1].loaded.View.Layers), compare.Options{Limit: f.limit})
}

func (f *diffFlags) handle(c *cobra.Command, specs []plugin.Spec) (ran, error) {
	return f.offline.run(c.Context(), specs, c.ErrOrStderr())
}

// specs are the module, under one name for both versions, and those beside it.
func (f *diffFlags) specs(ctx context.Context, text string) ([]plugin.Spec, error) {
	m, err := f.registry.get(ctx, text, artifact.Options{})
	if err != nil {
		return nil, err
	}
	spec, err := f.spec("the module", m.wasm, 0)
	if err != nil {
		return nil, err
	}
	specs := []plugin.Spec{spec}
	for i, text := range f.beside {
		m, err := f.registry.get(ctx, text, artifact.Options{})
		if err != nil {
			return nil, err
		}
		specs = append(specs, plugin.Spec{Name: m.name, Wasm: m.wasm, Order: i + 1, Grant: everything()})
	}
	return specs, nil
}

func frozen(layers []*policy.Layer) (out []*policy.Layer) {
	for _, l := range layers {
		out = append(out, l.Freeze())
	}
	return out
}
