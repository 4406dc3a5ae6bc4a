package main

import "github.com/spf13/cobra"

func moduleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "module",
		Short: "Work with policy modules",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		moduleNewCommand(), moduleBuildCommand(), moduleInspectCommand(), moduleRunCommand(), moduleTestCommand(), moduleDiffCommand(), moduleBenchCommand(), moduleRecordCommand(), moduleReplayCommand(),
		modulePushCommand(), modulePullCommand(), moduleKeyCommand(), moduleSignCommand(), moduleVerifyCommand(),
		moduleAcceptCommand(), moduleForetellCommand(),
	)
	return c
}
