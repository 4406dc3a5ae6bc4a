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

func statusCommand() *cobra.Command {
	var socket, output string
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show what the agent on this node does: modules, Pods, flows, and what is wrong",
		Example: "  sluicectl status\n  sluicectl status -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf(`-o %s: choose "table" or "json"`, output)
			}
			client := observe.NewClient(socket)
			defer client.Close()
			var s agent.Status
			if err := client.Get(c.Context(), "/v1/status", nil, &s); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), s)
			}
			return writeStatus(c.OutOrStdout(), s)
		},
	}
	c.Flags().StringVar(&socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVarP(&output, "output", "o", "table", `"table" or "json"`)
	return c
}

func writeStatus(out io.Writer, s agent.Status) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	state := "open"
	if s.Held != "" {
		state = "held: " + s.Held
	}
	p("node\t%s\t%s", s.Node, state)
	p("flows\t%d installed\t%d written in %d bundles, %d repaired", s.Flows.Installed, s.Flows.Written, s.Flows.Bundles, s.Flows.Repaired)
	p("primary\t%s\t%s", s.Primary.Profile, s.Primary.Because)
	if s.Primary.Problem != "" {
		p("problem\t%s", s.Primary.Problem)
	}
	if s.Services.Enabled {
		n := s.Services
		p("services\t%d, %d left alone\t%d ports, %d backends, %d not served as written", n.Services, n.LeftAlone, n.Ports, n.Backends, len(n.Problems))
	} else {
		p("services\tleft alone")
	}
	if s.LastError != "" {
		p("error\t%s", s.LastError)
	}
	p("\nMODULE\tSTATE\tGENERATION\tRULES\tSETS\tRSS\tRESTARTS\tVERSION")
	for _, m := range s.Modules {
		p("%s\t%s\t%d\t%d\t%d\t%d MiB\t%d\t%s", m.Name, m.State, m.Generation, m.Rules, m.Sets, m.RSSBytes>>20, m.Restarts, m.Version)
		if m.LastError != "" {
			p("  %s", m.LastError)
		}
		writeForesight(p, m)
	}
	p("\nPOD\tPORT\tADDRESSES")
	for _, pod := range s.Pods {
		p("%s\t%d\t%v", pod.Pod, pod.OFPort, pod.Addresses)
	}
	for _, problem := range s.Services.Problems {
		p("\nnot served: %s", problem)
	}
	for _, problem := range s.Problems {
		word := "refused"
		if problem.NotServed {
			word = "not there"
		}
		p("\n%s: %s", word, problem)
	}
	return t.Flush()
}

// writeForesight says what was not let in, and what a shadow would change.
func writeForesight(p func(format string, args ...any), m agent.ModuleStatus) {
	if r := m.Rejected; r != nil && r.RolledBack {
		p("  generation %d was taken back: %s", r.Generation, r.Reason)
	} else if r != nil && !strings.Contains(m.LastError, r.Reason) {
		p("  generation %d %s", r.Generation, r.Reason)
	}
	s := m.Shadow
	if s == nil {
		return
	}
	instead := "beside the others"
	if s.InsteadOf != "" {
		instead = "instead of " + s.InsteadOf
	}
	if s.Error != "" {
		p("  shadow, %s: not compared: %s", instead, s.Error)
		return
	}
	p("  shadow, %s: would newly deny %d pairs and newly allow %d; of %d open connections it would cut %d", instead, s.NewDenies, s.NewAllows, s.Connections, s.WouldCut)
	for _, text := range s.CutExamples {
		p("    would cut %s", text)
	}
	if s.TrafficError != "" {
		p("    open connections were not looked at: %s", s.TrafficError)
	}
}
