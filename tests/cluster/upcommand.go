package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/tests/cluster/installed"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

func upCommand() *cobra.Command {
	opts := rig.Options{Nodes: 2}
	var sluice bool
	c := &cobra.Command{
		Use:   "up [-- COMMAND...]",
		Short: "Bring a cluster up, and take it down at the end of a command or of this one",
		Long: "Brings a cluster up. With a command, runs it with kubectl in its PATH and KUBECONFIG set, in\n" +
			"the control plane's network, and ends with its exit code; without one, says how to reach the cluster and waits\n" +
			"for Ctrl-C. Everything is gone afterwards.",
		Example: "  go run ./tests/cluster up\n  go run ./tests/cluster up --nodes 1 -- kubectl get pods -A",
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Progress = cmd.ErrOrStderr()
			cluster, err := up(cmd.Context(), opts, sluice)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n", cluster.How())
				<-cmd.Context().Done()
				return cluster.Close()
			}
			command := cluster.Command(cmd.Context(), args[0], args[1:]...)
			command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
			return errors.Join(command.Run(), cluster.Close())
		},
	}
	c.Flags().BoolVar(&sluice, "sluice", false, "install Sluice, of what make build made")
	c.Flags().IntVar(&opts.Nodes, "nodes", opts.Nodes, "number of nodes")
	c.Flags().StringSliceVar(&opts.Images, "image", nil, "image archives to import on every node")
	return c
}

func up(ctx context.Context, opts rig.Options, sluice bool) (*rig.Cluster, error) {
	if sluice {
		return installed.Up(ctx, opts.Nodes, opts.Progress)
	}
	return rig.Up(ctx, opts)
}
