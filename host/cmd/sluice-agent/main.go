// Sluice-agent is the agent of a node: it owns the bridge, attaches Pods and
// keeps the policy of its modules in force.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/modules/embedded"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sluice-agent:", err)
		stop()
		os.Exit(1)
	}
}

// collectAt is how many percent the heap grows before garbage is collected (GOGC). What
// lives in it changes little, and memory on a node is dearer than processor time.
const collectAt = 30

func command() *cobra.Command {
	var config, level, nodeName string
	c := &cobra.Command{
		Use:   "sluice-agent --config FILE",
		Short: "Enforce network policy on this node",
		Long: "sluice-agent owns an Open vSwitch bridge on this node, attaches the Pods that sluice-cni hands it,\n" +
			"and keeps the flows of its policy modules in force. It ends on SIGTERM; what is in force stays.",
		Example:       "  sluice-agent --config /etc/sluice/agent.yaml",
		Args:          cobra.NoArgs,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var l slog.Level
			if err := l.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level: %w: use debug, info, warn or error", err)
			}
			c, err := agent.LoadConfig(config)
			if err != nil {
				return err
			}
			if nodeName != "" {
				c.NodeName = nodeName
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(collectAt)
			}
			return agent.Run(cmd.Context(), agent.Options{
				Config: c, Version: version, Builtin: embedded.Module,
				Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})),
			})
		},
	}
	c.Flags().StringVar(&config, "config", "/etc/sluice/agent.yaml", "configuration file")
	c.Flags().StringVar(&nodeName, "node-name", "", "name of this node in the cluster; goes before the configuration's nodeName")
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}
