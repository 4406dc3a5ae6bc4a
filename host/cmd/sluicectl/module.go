package main

import "github.com/spf13/cobra"

func moduleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "module",
		Short: "Work with policy modules",
	}
	c.AddCommand(moduleAcceptCommand(), moduleForetellCommand())
	return c
}
