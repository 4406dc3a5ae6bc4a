package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/sdk/templates"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

// sluiceModule is what the source of Sluice is called in Go.
const sluiceModule = "github.com/sluice-net/sluice"

// moduleName is what a manifest takes as a name.
var moduleName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func moduleNewCommand() *cobra.Command {
	var language, dir, sdk string
	c := &cobra.Command{
		Use:   "new NAME --lang LANGUAGE",
		Short: "Begin a module of your own",
		Long: `Write the beginning of a policy module: source, manifest, tests and a scenario. It works as it is:
build it, test it, change it. Languages: ` + languages() + `.

A module in Go is built against Sluice's source: the clone that this is run in, or --sdk.`,
		Example: "  sluicectl module new closed --lang rust\n  cd closed && sluicectl module test .",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := args[0]
			if !moduleName.MatchString(name) {
				return fmt.Errorf("%q is no name for a module: 1 to 63 lower-case letters, digits and inner dashes", name)
			}
			if dir == "" {
				dir = name
			}
			var err error
			if sdk == "" {
				sdk, err = clone()
			} else {
				sdk, err = filepath.Abs(sdk)
			}
			if err != nil {
				return err
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
	c.Flags().StringVar(&sdk, "sdk", "", "a clone of Sluice to build against (default: the one that this is run in; only modules in Go need it)")
	return c
}

// clone is the clone of Sluice that the working folder lies in; empty if in none.
func clone() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module "+sluiceModule+"\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
		dir = filepath.Dir(dir)
	}
}

func languages() string {
	var names []string
	for _, l := range templates.Languages() {
		names = append(names, string(l))
	}
	return strings.Join(names, ", ")
}
