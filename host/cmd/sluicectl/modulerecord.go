package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/recording"
)

// Recorded is what `module record` prints as JSON.
type Recorded struct {
	recording.Header
	File    string `json:"file"`
	Batches int    `json:"batches"`
}

func moduleRecordCommand() *cobra.Command {
	var socket, to, output string
	c := &cobra.Command{
		Use:   "record MODULE -f FILE",
		Short: "Write down what a module on this node was told last, and what it answered",
		Long: `Write the last batches of events that a module on this node was handed, and what it emitted, to a
file for "sluicectl module replay". Each agent keeps some MiB of them for every module. The agent writes such a
file by itself when a module fails; "sluicectl status -o json" names it.

The file holds the policy objects that the module watches, as they are in the cluster.`,
		Example: "  sluicectl module record networkpolicy -f networkpolicy.recording",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			client := observe.NewClient(socket)
			defer client.Close()
			var r recording.Recording
			if err := client.Get(c.Context(), "/v1/modules/recording", url.Values{"module": {args[0]}}, &r); err != nil {
				return err
			}
			if to == "" {
				to = args[0] + ".recording"
			}
			if err := r.Save(to); err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), Recorded{r.Header, to, len(r.Batches)})
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s  %d batches of generation %d (%s, %s)\n", to, len(r.Batches), r.Generation, r.Version, r.Digest)
			return err
		},
	}
	c.Flags().StringVar(&socket, "socket", observe.DefaultSocket, "admin socket of the agent")
	c.Flags().StringVarP(&to, "file", "f", "", "where to write it (default: MODULE.recording, here)")
	c.Flags().StringVarP(&output, "output", "o", "text", `"text" or "json"`)
	return c
}
