// Command sluice-manifest puts the manifest of a module into its Wasm file, in
// place of one that is there. It checks both before it writes anything.
//
//	sluice-manifest -manifest manifest.json -in module.wasm -out module.wasm
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sluice-manifest:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("sluice-manifest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	manifest := flags.String("manifest", "", "`file` with the manifest, in JSON")
	in := flags.String("in", "", "Wasm `file` of the module")
	out := flags.String("out", "", "`file` to write; may be the same as -in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *manifest == "" || *in == "" || *out == "" || flags.NArg() > 0 {
		return fmt.Errorf("-manifest, -in and -out are needed, and nothing else")
	}
	text, err := os.ReadFile(*manifest)
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(*in)
	if err != nil {
		return err
	}
	with, err := withManifest(wasm, text)
	if err != nil {
		return fmt.Errorf("putting %s into %s: %w", *manifest, *in, err)
	}
	return replace(*out, with)
}

// withManifest gives the module with this manifest and no other.
func withManifest(wasm, manifest []byte) ([]byte, error) {
	if _, err := binary.ParseManifest(manifest); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, manifest); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	bare, err := binary.WithoutCustomSection(wasm, abi.ManifestSection)
	if err != nil {
		return nil, err
	}
	b, err := binary.Inspect(bare)
	if err != nil {
		return nil, err
	}
	if !b.HasExport(abi.Marker, binary.Function) {
		return nil, fmt.Errorf("wasm: does not export the function %s, so it is no module of this ABI", abi.Marker)
	}
	return binary.AppendCustomSection(bare, abi.ManifestSection, compact.Bytes())
}

// replace writes the file whole or not at all: an agent may be watching it.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has been renamed, as it should
	if _, err := f.Write(content); err != nil {
		f.Close()
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return os.Rename(f.Name(), path)
}
