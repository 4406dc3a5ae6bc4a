package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

// exitMissing is the exit code when a compiler is not there.
const exitMissing = 3

// Built is what `module build` prints as JSON.
type Built struct {
	File   string `json:"file"`
	Digest string `json:"digest"`
	Size   int    `json:"size"`
}

func moduleBuildCommand() *cobra.Command {
	var to, output string
	c := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Compile a module, and put its manifest into it",
		Long: `Compile the module in a folder, whatever it is written in, and put manifest.json into the file. What it is
written in is read off its files: main.go, Cargo.toml, main.c or assembly/index.ts.

Exit codes: 0; 1 it does not compile; 3 a compiler is missing, and the error says how to get it.`,
		Example: "  sluicectl module build\n  sluicectl module build modules/quarantine -f quarantine.wasm",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			b, err := build(c.Context(), dir, to, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(c.OutOrStdout(), b)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s  %d bytes  %s\n", b.File, b.Size, b.Digest)
			return err
		},
	}
	c.Flags().StringVarP(&to, "file", "f", "", "where to write it (default: NAME.wasm in the module's folder)")
	c.Flags().StringVarP(&output, "output", "o", "text", `"text" or "json"`)
	return c
}

// build compiles the module in dir to a file; empty is that of its name there.
func build(ctx context.Context, dir, to string, said io.Writer) (Built, error) {
	if to == "" {
		text, err := os.ReadFile(filepath.Join(dir, toolchain.Manifest))
		if err != nil {
			return Built{}, fmt.Errorf("a module needs a manifest: %w", err)
		}
		m, err := binary.ParseManifest(text)
		if err != nil {
			return Built{}, fmt.Errorf("%s: %w", filepath.Join(dir, toolchain.Manifest), err)
		}
		to = filepath.Join(dir, m.Name+".wasm")
	}
	if err := toolchain.Build(ctx, dir, to, said); err != nil {
		return Built{}, coded(err)
	}
	wasm, err := os.ReadFile(to)
	return Built{File: to, Digest: digestOf(wasm), Size: len(wasm)}, err
}

// coded gives a missing compiler an exit code of its own.
func coded(err error) error {
	if _, missing := errors.AsType[*toolchain.MissingError](err); missing {
		return &codedError{exitMissing, err}
	}
	return err
}

// isSource says whether a MODULE argument is a folder of source.
func isSource(text string) bool {
	_, err := os.Stat(filepath.Join(text, toolchain.Manifest))
	return err == nil
}
