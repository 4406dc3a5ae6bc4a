package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/sdk/templates"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

// moduleName is what a manifest takes as a name.
var moduleName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func moduleNewCommand() *cobra.Command {
	var language, dir, sdk string
	c := &cobra.Command{
		Use:   "new NAME --lang LANGUAGE",
		Short: "Begin a module of your own",
		Long: `Write the beginning of a policy module: source, manifest, tests and a scenario. It works as it is:
build it, test it, change it. Languages: ` + languages() + `.`,
		Example: "  sluicectl module new closed --lang go\n  cd closed && go mod tidy && sluicectl module test .",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := args[0]
			if !moduleName.MatchString(name) {
				return fmt.Errorf("%q is no name for a module: 1 to 63 lower-case letters, digits and inner dashes", name)
			}
			if dir == "" {
				dir = name
			}
			if sdk != "" {
				var err error
				if sdk, err = filepath.Abs(sdk); err != nil {
					return err
				}
			}
			written, err := templates.Write(dir, toolchain.Language(language), templates.Values{Name: name, SDK: sdk})
			if err != nil {
				return err
			}
			for _, file := range written {
				if _, err := fmt.Fprintln(c.OutOrStdout(), filepath.Join(dir, file)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&language, "lang", string(toolchain.Go), "language: "+languages())
	c.Flags().StringVar(&dir, "dir", "", "where to write it (default: a folder with the module's name, here)")
	c.Flags().StringVar(&sdk, "sdk", "", "a folder with Sluice's source to build against (default: the released version)")
	return c
}

func languages() string {
	var names []string
	for _, l := range templates.Languages() {
		names = append(names, string(l))
	}
	return strings.Join(names, ", ")
}
