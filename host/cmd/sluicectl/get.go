package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/observe"
)

func getCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "get",
		Short: "List what the agent on this node has",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(getModulesCommand())
	return c
}

func getModulesCommand() *cobra.Command {
	var socket, output string
	c := &cobra.Command{
		Use:     "modules",
		Aliases: []string{"module"},
		Short:   "List the modules of this node with the processor time and memory that they take",
		Long: `List the modules of this node: what runs, the processor time and the memory of each one's sandbox, how
long the latest batch took, what it has in force, and what it asked for and is not granted.`,
		Example: "  sluicectl get modules\n  sluicectl get modules -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "table", "json"); err != nil {
				return err
			}
			client := observe.NewClient(socket)
			defer client.Close()
			var s agent.Status
			if err := client.Get(c.Context(), "/v1/status", nil, &s); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), s.Modules)
			}
			return writeModules(c.OutOrStdout(), s.Modules)
		},
	}
	c.Flags().StringVar(&socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVarP(&output, "output", "o", "table", `"table" or "json"`)
	return c
}

func writeModules(out io.Writer, modules []agent.ModuleStatus) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	p("NAME\tMODE\tSTATE\tVERSION\tCPU\tMEMORY\tBATCHES\tLAST BATCH\tRULES\tSETS\tADDRESSES\tREFUSED")
	for _, m := range modules {
		p("%s\t%s\t%s\t%s\t%.2f s\t%.1f MiB\t%d\t%.2f ms\t%d\t%d\t%d\t%d", m.Name, m.Mode, m.State, m.Version,
			float64(m.CPUMillis)/1000, float64(m.RSSBytes)/(1<<20), m.Batches, m.BatchMS, m.Rules, m.Sets, m.Addresses, m.Refused)
		if len(m.NotGranted) > 0 {
			p("  not granted: %s", strings.Join(m.NotGranted, ", "))
		}
		if m.Refusal != "" {
			p("  refused: %s", m.Refusal)
		}
		if m.LastError != "" {
			p("  %s", m.LastError)
		}
		if m.Recording != "" {
			p("  what led to it: %s", m.Recording)
		}
	}
	return t.Flush()
}
