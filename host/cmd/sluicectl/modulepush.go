package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/artifact"
)

// Transfer is what push, pull, sign and verify print as JSON.
type Transfer struct {
	Ref    string `json:"ref"`              // pinned by the artifact's digest
	Digest string `json:"digest,omitempty"` // of the Wasm file
	Signed bool   `json:"signed,omitempty"` // by the key that was given
	File   string `json:"file,omitempty"`   // that was written
}

func (t Transfer) write(c *cobra.Command, output, text string) error {
	if output == "json" {
		return writeJSON(c.OutOrStdout(), t)
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), text)
	return err
}

func modulePushCommand() *cobra.Command {
	var f registryFlags
	var output string
	c := &cobra.Command{
		Use:   "push FILE REF",
		Short: "Put a module into a registry, or into an OCI layout",
		Long: `Put a module into a registry, or into an OCI layout on disk, as a Wasm OCI artifact
(config application/vnd.wasm.config.v0+json, layer application/wasm, the module's manifest as an annotation).
It prints the reference with the artifact's digest: that is what a PolicyModule or an agent's
configuration names. The same file has the same digest everywhere.`,
		Example: "  sluicectl module push web.wasm registry.example/team/web:1.2\n  sluicectl module push web.wasm oci-layout:./out:1.2 -o json",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			m, err := f.get(c.Context(), args[0], artifact.Options{})
			if err != nil {
				return err
			}
			ref, err := artifact.ParseRef(args[1])
			if err != nil {
				return err
			}
			pushed, err := artifact.Push(c.Context(), m.wasm, ref, f.access())
			if err != nil {
				return err
			}
			return Transfer{Ref: pushed.Ref.String(), Digest: pushed.Digest}.write(c, output, pushed.Ref.String())
		},
	}
	f.add(c)
	c.Flags().StringVarP(&output, "output", "o", "text", `"text" or "json"`)
	return c
}

func modulePullCommand() *cobra.Command {
	var f registryFlags
	var output, to, key, digest string
	c := &cobra.Command{
		Use:   "pull REF",
		Short: "Get a module's Wasm file from a registry, or from an OCI layout",
		Long: `Get a module's Wasm file from a registry, or from an OCI layout. What arrives is checked against the
digests that lead to it, and against --digest and --key if they are given.`,
		Example: "  sluicectl module pull registry.example/team/web:1.2 -f web.wasm\n  sluicectl module pull registry.example/team/web@sha256:0f3c... --key cosign.pub",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(output, "text", "json"); err != nil {
				return err
			}
			o := artifact.Options{Digest: digest}
			var err error
			if o.PublicKey, err = readKey(key); err != nil {
				return err
			}
			m, err := f.get(c.Context(), args[0], o)
			if err != nil {
				return err
			}
			if to == "" {
				to = m.name + ".wasm"
			}
			if err := writeWhole(to, m.wasm); err != nil {
				return err
			}
			return Transfer{Ref: m.ref, Digest: m.digest, Signed: key != "", File: to}.write(c, output, to+"  "+m.digest)
		},
	}
	f.add(c)
	c.Flags().StringVarP(&to, "file", "f", "", "where to write it (default: the name of the repository, here)")
	c.Flags().StringVar(&key, "key", "", "a file with the public key that must have signed it")
	c.Flags().StringVar(&digest, "digest", "", "the digest that the Wasm file must have")
	c.Flags().StringVarP(&output, "output", "o", "text", `"text" or "json"`)
	return c
}

// readKey reads a key's file; no name is no key.
func readKey(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return text, err
}

// writeWhole replaces a file whole or not at all: an agent may be watching it.
func writeWhole(path string, content []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // fails once it has been renamed, as it should
	_, err = draft.Write(content)
	if err == nil {
		err = draft.Chmod(0o644)
	}
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(draft.Name(), path)
}
