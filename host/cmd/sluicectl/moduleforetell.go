package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/observe"
)

func moduleForetellCommand() *cobra.Command {
	var socket, output string
	c := &cobra.Command{
		Use:   "foretell MODULE",
		Short: "Show what a module in mode Shadow would change if it were enforced",
		Long: `Show which connections a module in mode Shadow would newly deny and newly allow, with the names of
Pods, on all ports where anything changes, and which of the connections that are open on this node it
would cut. It is compared afresh, with what is in force at this moment.`,
		Example: "  sluicectl module foretell strict\n  sluicectl module foretell strict -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf(`-o %s: choose "table" or "json"`, output)
			}
			client := observe.NewClient(socket)
			defer client.Close()
			var s agent.ShadowStatus
			if err := client.Get(c.Context(), "/v1/modules/diff", url.Values{"module": {args[0]}}, &s); err != nil {
				return err
			}
			if s.Error != "" {
				return errors.New(s.Error)
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), s)
			}
			if err := writeReport(c.OutOrStdout(), s.Report); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "of %d open connections it would cut %d\n", s.Connections, s.WouldCut)
			return err
		},
	}
	c.Flags().StringVar(&socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVarP(&output, "output", "o", "table", `"table" or "json"`)
	return c
}

// writeReport shows a comparison of two policies.
func writeReport(out io.Writer, r compare.Report) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	if len(r.Changes) > 0 {
		p("NEWLY\tFROM\tTO\tPORTS\tPAIRS\tBEFORE\tAFTER")
	}
	for _, change := range r.Changes {
		ports := strings.Join(change.Ports, " ")
		if change.Family != compare.Both {
			ports += " (" + string(change.Family) + ")"
		}
		p("%s\t%s\t%s\t%s\t%d\t%s\t%s", change.Kind, compare.End(change.From), compare.End(change.To), ports, change.Pairs, change.Before, change.After)
	}
	if r.Left > 0 {
		p("and %d more", r.Left)
	}
	p("%d pairs newly denied, %d newly allowed, %d refused in another way", r.NewDenies, r.NewAllows, r.NewAnswers)
	return t.Flush()
}
