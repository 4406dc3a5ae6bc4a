package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
	"github.com/sluice-net/sluice/tests/cluster/images"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

// sets of programs that one purpose needs.
func sets() map[string][]string {
	return map[string][]string{
		"api":         append(controlplane.APIPrograms(), build.Kubectl),
		"nodes":       append(rig.Programs(), images.Programs()...),
		"conformance": {build.E2E, build.PolicyAPI},
	}
}

func buildCommand() *cobra.Command {
	names := strings.Join(slices.Sorted(maps.Keys(sets())), ", ")
	return &cobra.Command{
		Use:   "build SET...",
		Short: "Build the programs of a cluster that are not there",
		Long: "Builds programs of Kubernetes from their source in the Go module proxy, unless they are there.\n" +
			"The first time takes minutes; they are kept in the user's cache directory. Sets: " + names + ".",
		Example: "  go run ./tests/cluster build api",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				programs, is := sets()[arg]
				if !is {
					return fmt.Errorf("there is no set %q: use %s", arg, names)
				}
				if _, err := build.Programs(cmd.Context(), cmd.ErrOrStderr(), programs...); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
