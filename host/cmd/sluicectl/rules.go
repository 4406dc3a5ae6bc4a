package main

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/observe"
)

func rulesCommand() *cobra.Command {
	var socket, output, module string
	c := &cobra.Command{
		Use:     "rules",
		Short:   "Show the rules in force on this node, and how much each has decided about",
		Example: "  sluicectl rules\n  sluicectl rules --module networkpolicy -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf(`-o %s: choose "table" or "json"`, output)
			}
			query := url.Values{}
			if module != "" {
				query.Set("module", module)
			}
			client := observe.NewClient(socket)
			defer client.Close()
			var rules []agent.RuleStatus
			if err := client.Get(c.Context(), "/v1/rules", query, &rules); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), rules)
			}
			return writeRules(c.OutOrStdout(), rules)
		},
	}
	c.Flags().StringVar(&socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVar(&module, "module", "", "only the rules of this module")
	c.Flags().StringVarP(&output, "output", "o", "table", `"table" or "json"`)
	return c
}

func writeRules(out io.Writer, rules []agent.RuleStatus) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "TIER\tDIRECTION\tACTION\tPACKETS\tBYTES\tHERE\tMODULE\tNAME") // Flush reports
	for _, r := range rules {
		action, here := r.Action, "no"
		if r.Kind == "isolation" {
			action = "isolate"
		}
		if r.Installed {
			here = "yes"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", r.Tier, r.Direction, action, r.Packets, r.Bytes, here, r.Module, r.Name)
	}
	return t.Flush()
}
