package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Inspection is what can be said of a module without running it.
type Inspection struct {
	Ref      string        `json:"ref"`
	Digest   string        `json:"digest"`
	Size     int           `json:"size"` // bytes
	Manifest *abi.Manifest `json:"manifest,omitempty"`
	// Capabilities are the functions of the host that it imports: what it does not
	// import it cannot do.
	Capabilities []string `json:"capabilities"`
	// Runtime are those that its language's runtime imports.
	Runtime []string `json:"runtime"`
	// Limits are those that it gets if the operator sets none.
	Limits abi.Limits `json:"limits"`
	// Fault says why an agent would not load it.
	Fault string `json:"fault,omitempty"`
}

func moduleInspectCommand() *cobra.Command {
	var f registryFlags
	var output string
	c := &cobra.Command{
		Use:   "inspect MODULE",
		Short: "Show what a module may do and asks for, without running it",
		Long: `Show what a module asks for (its manifest), which functions of the host it imports (its
capabilities: a function that is not imported cannot be called), its size and its digest.

` + moduleHelp + `

Exit codes: 0, or 1 if an agent would not load it; the reason is shown.`,
		Example: "  sluicectl module inspect bin/modules/networkpolicy.wasm\n  sluicectl module inspect registry.example/team/web:1.2 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "table", "json"); err != nil {
				return err
			}
			m, err := f.get(c.Context(), args[0], artifact.Options{})
			if err != nil {
				return err
			}
			i := inspect(m)
			if output == "json" {
				err = writeJSON(c.OutOrStdout(), i)
			} else {
				err = writeInspection(c.OutOrStdout(), i)
			}
			if err == nil && i.Fault != "" {
				err = fmt.Errorf("%s %s", m.ref, i.Fault)
			}
			return err
		},
	}
	f.add(c)
	c.Flags().StringVarP(&output, "output", "o", "table", `"table" or "json"`)
	return c
}

func inspect(m module) Inspection {
	i := Inspection{Ref: m.ref, Digest: m.digest, Size: len(m.wasm), Capabilities: []string{}, Runtime: []string{}}
	if err := plugin.Verify(m.wasm); err != nil {
		i.Fault = err.Error()
	}
	b, err := binary.Inspect(m.wasm)
	if err != nil {
		return i
	}
	for _, im := range b.Imports {
		if im.Module == sandbox.WASIModule {
			i.Runtime = append(i.Runtime, im.Name)
		} else {
			i.Capabilities = append(i.Capabilities, im.Module+"."+im.Name)
		}
	}
	slices.Sort(i.Capabilities)
	slices.Sort(i.Runtime)
	if manifest, err := binary.ParseManifest(b.Manifest); err == nil {
		i.Manifest = manifest
		i.Limits = plugin.DefaultLimits(manifest)
	}
	return i
}

func writeInspection(out io.Writer, i Inspection) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	list := func(words []string) string {
		if len(words) == 0 {
			return "none"
		}
		return strings.Join(words, ", ")
	}
	p("module\t%s", i.Ref)
	p("digest\t%s", i.Digest)
	p("size\t%d bytes", i.Size)
	if m := i.Manifest; m != nil {
		p("name\t%s %s", m.Name, m.Version)
		p("watches\t%s", list(m.Resources))
		p("tiers\t%s", list(m.Tiers))
		p("actions\t%s", list(m.Actions))
		p("limits\t%d MiB memory, %d ms a batch, %d ms a snapshot, %d rules, %d sets, %d addresses",
			i.Limits.MemoryMiB, i.Limits.BatchMillis, i.Limits.SnapshotMillis, i.Limits.Rules, i.Limits.Sets, i.Limits.Addresses)
		if m.ConfigJSON != nil {
			if schema, err := json.Marshal(m.ConfigJSON); err == nil {
				p("configuration\t%s", schema)
			}
		}
	}
	p("capabilities\t%s", list(i.Capabilities))
	p("runtime imports\t%s", list(i.Runtime))
	return t.Flush()
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}
