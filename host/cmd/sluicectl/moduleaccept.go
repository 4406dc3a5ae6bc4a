package main

import (
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"
)

func moduleAcceptCommand() *cobra.Command {
	var f moveFlags
	c := &cobra.Command{
		Use:   "accept MODULE DIGEST",
		Short: "Let a generation take over on this node that was kept out or taken back",
		Long: `Let a generation take over on this node that the bounds of its rollout kept out, or that was
taken back because it failed. "sluicectl status" shows it with the reason, and with "-o json" its digest.
It returns when the generation is being started; the status shows what becomes of it.`,
		Example: "  sluicectl module accept networkpolicy sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var none struct{}
			query := url.Values{"module": {args[0]}, "digest": {args[1]}}
			return f.post(c, "/v1/modules/accept", query, &none, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "%s: %s is being started\n", args[0], args[1])
				return err
			})
		},
	}
	f.add(c)
	return c
}
