package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/observe"
)

// moveFlags are what adopt, eject and uninstall have in common.
type moveFlags struct {
	socket, output string
}

func (f *moveFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
}

// post asks for an action and shows the answer.
func (f *moveFlags) post(c *cobra.Command, path string, query url.Values, answer any, table func(io.Writer) error) error {
	if f.output != "table" && f.output != "json" {
		return fmt.Errorf(`-o %s: choose "table" or "json"`, f.output)
	}
	client := observe.NewClient(f.socket)
	defer client.Close()
	if err := client.Post(c.Context(), path, query, answer); err != nil {
		return err
	}
	if f.output == "json" {
		return writeJSON(c.OutOrStdout(), answer)
	}
	return table(c.OutOrStdout())
}

func adoptCommand() *cobra.Command {
	var f moveFlags
	var pod string
	c := &cobra.Command{
		Use:   "adopt [--pod NAMESPACE/NAME]",
		Short: "Bring Pods of this node that run already onto the bridge, connections and all",
		Long: `Bring Pods of this node that run already onto the bridge: those that were there before Sluice
came, and those that were ejected. Their connections go on if policy allows them.

For each Pod it prints how many connections its sockets showed, how many of them policy
allows, and how long its packets took both ways while they changed over.`,
		Example: "  sluicectl adopt\n  sluicectl adopt --pod shop/web",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			query := url.Values{}
			if pod != "" {
				query.Set("pod", pod)
			}
			var m agent.Moved
			err := f.post(c, "/v1/adopt", query, &m, func(out io.Writer) error {
				return writeMoved(out, m, func(p agent.MovedPod) string {
					if p.Already {
						return "was on the bridge"
					}
					return fmt.Sprintf("adopted\t%d of %d connections kept\t%.1f ms", p.Kept, p.Connections, p.HandoverMillis)
				})
			})
			return errors.Join(err, failed(m, "adopted"))
		},
	}
	f.add(c)
	c.Flags().StringVar(&pod, "pod", "", "only this one (namespace/name)")
	return c
}

func ejectCommand() *cobra.Command {
	var f moveFlags
	var all bool
	c := &cobra.Command{
		Use:   "eject (NAMESPACE/NAME | --all)",
		Short: "Take a Pod off the bridge: the node's primary network has it back, without policy",
		Long: `Take a Pod, or all of them, off the bridge. Routes and addresses become what they were before
the Pod was attached, and its connections go on. The Pod is not policed any more. It stays off the
bridge until "sluicectl adopt" or the next start of the agent.`,
		Example: "  sluicectl eject shop/web\n  sluicectl eject --all",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			query := url.Values{}
			switch {
			case all == (len(args) == 1):
				return errors.New("name one Pod as NAMESPACE/NAME, or all of them with --all")
			case all:
				query.Set("all", "true")
			default:
				query.Set("pod", args[0])
			}
			var m agent.Moved
			err := f.post(c, "/v1/eject", query, &m, func(out io.Writer) error {
				return writeMoved(out, m, func(agent.MovedPod) string { return "ejected" })
			})
			return errors.Join(err, failed(m, "ejected"))
		},
	}
	f.add(c)
	c.Flags().BoolVar(&all, "all", false, "every Pod of this node")
	return c
}

func uninstallCommand() *cobra.Command {
	var f moveFlags
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Take Sluice off this node: every Pod, the bridge, the CNI configuration",
		Long: `Take the CNI configuration away, eject every Pod, then remove the bridge and all that Sluice has in the
kernel, and what it keeps on disk. The node is as it was before, and Pods' connections go on. The agent stays without doing
anything; end it afterwards, for it installs Sluice again when it starts.`,
		Example: "  sluicectl uninstall && systemctl disable --now sluice-agent",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var u agent.Uninstalled
			return f.post(c, "/v1/uninstall", nil, &u, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "Sluice is off this node; %d Pods were ejected. End sluice-agent now.\n", u.Ejected)
				return err
			})
		},
	}
	f.add(c)
	return c
}

func writeMoved(out io.Writer, m agent.Moved, outcome func(agent.MovedPod) string) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, p := range m.Pods {
		text := outcome(p)
		if p.Error != "" {
			text = "failed: " + p.Error
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\n", p.Pod, text); err != nil {
			return err
		}
	}
	return t.Flush()
}

func failed(m agent.Moved, what string) error {
	if n := m.Failed(); n > 0 {
		return fmt.Errorf("%d of %d Pods could not be %s", n, len(m.Pods), what)
	}
	return nil
}
