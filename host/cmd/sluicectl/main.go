// Sluicectl is the person's tool: ask what policy would do, try it on real
// packets, look at an agent.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/lab"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "sluicectl:", err)
	code := 1
	var with interface{ ExitCode() int }
	if errors.As(err, &with) {
		code = with.ExitCode()
	}
	os.Exit(code)
}

func command() *cobra.Command {
	c := &cobra.Command{
		Use:           "sluicectl",
		Short:         "Ask, try and watch network policy with Sluice",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(lab.Command(), verdictCommand(), statusCommand(), getCommand(), waitCommand(), moduleCommand(), rulesCommand(), servicesCommand(), adoptCommand(), ejectCommand(), uninstallCommand())
	return c
}
