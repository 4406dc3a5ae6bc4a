package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/proxy"
)

func servicesCommand() *cobra.Command {
	var socket, output string
	c := &cobra.Command{
		Use:   "services [NAMESPACE/NAME]",
		Short: "Show the Services as the Pods of this node see them: where they are reached, who answers, and what is not served and why",
		Long: `Show the Services as the Pods of this node see them. Without a name, one line for
each port; with one, every endpoint of the Service too.`,
		Example: "  sluicectl services\n  sluicectl services shop/web\n  sluicectl services -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf(`-o %s: choose "table" or "json"`, output)
			}
			query := url.Values{}
			if len(args) > 0 {
				query.Set("service", args[0])
			}
			client := observe.NewClient(socket)
			defer client.Close()
			var services []proxy.Service
			if err := client.Get(c.Context(), "/v1/services", query, &services); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), services)
			}
			return writeServices(c.OutOrStdout(), services, len(args) > 0)
		},
	}
	c.Flags().StringVar(&socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVarP(&output, "output", "o", "table", `"table" or "json"`)
	return c
}

func writeServices(out io.Writer, services []proxy.Service, endpoints bool) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	p("SERVICE\tPORT\tBACKENDS\tAFFINITY\tREACHED AT")
	for _, s := range services {
		key := s.Namespace + "/" + s.Name
		if s.LeftAlone != "" {
			p("%s\t-\t-\t-\tleft alone: %s", key, s.LeftAlone)
		}
		for _, port := range s.Ports {
			affinity := "-"
			if port.AffinitySeconds > 0 {
				affinity = (time.Duration(port.AffinitySeconds) * time.Second).String()
			}
			p("%s\t%s/%s\t%s\t%s\t%s", key, port.Name, port.Protocol, inUse(port), affinity, reachedAt(port))
		}
		if endpoints {
			writeEndpoints(p, s.Ports)
		}
	}
	for _, s := range services {
		for _, problem := range s.Problems {
			p("\nnot served: %s", problem)
		}
	}
	return t.Flush()
}

// inUse is "2", or "2 of 3" where some endpoints are not used.
func inUse(port proxy.Port) string {
	used := 0
	for _, e := range port.Endpoints {
		if e.Used != "none" {
			used++
		}
	}
	if used == len(port.Endpoints) {
		return fmt.Sprint(used)
	}
	return fmt.Sprintf("%d of %d", used, len(port.Endpoints))
}

func reachedAt(port proxy.Port) string {
	var words []string
	for _, f := range port.Frontends {
		word := f.Address
		if f.Local {
			word += " (local endpoints only)"
		}
		if f.Sources != nil {
			word += fmt.Sprintf(" (from %s)", strings.Trim(fmt.Sprint(f.Sources), "[]"))
		}
		if f.ServedFor != "" {
			word += fmt.Sprintf(" (served for %s)", f.ServedFor)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func writeEndpoints(p func(string, ...any), ports []proxy.Port) {
	if !slices.ContainsFunc(ports, func(port proxy.Port) bool { return len(port.Endpoints) > 0 }) {
		return
	}
	p("\nPORT\tENDPOINT\tSTATE\tUSED\tNODE")
	for _, port := range ports {
		for _, e := range port.Endpoints {
			p("%s/%s\t%s\t%s\t%s\t%s", port.Name, port.Protocol, e.Address, e.State, e.Used, e.Node)
		}
	}
}
