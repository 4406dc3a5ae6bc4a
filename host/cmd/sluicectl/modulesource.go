package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/modules/embedded"
)

// registryFlags say how a registry is reached.
type registryFlags struct {
	credentials string
	plainHTTP   bool
}

func (f *registryFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.credentials, "credentials", "", "a file as docker's config.json, for the registry (default: docker's own, with its credential helpers)")
	c.Flags().BoolVar(&f.plainHTTP, "plain-http", false, "the registry speaks HTTP without TLS")
}

func (f *registryFlags) access() artifact.Access {
	return artifact.Access{Credentials: f.credentials, Docker: f.credentials == "", PlainHTTP: f.plainHTTP}
}

// moduleHelp says what a MODULE argument may be.
const moduleHelp = `MODULE is a Wasm file (web.wasm, ./web), the name of a built-in module (networkpolicy), a folder
oci-layout:DIR[:TAG], or HOST/REPOSITORY[:TAG][@sha256:HEX] in a registry.`

// module is what a MODULE argument leads to.
type module struct {
	name   string // under which it runs: of the file or repository
	wasm   []byte
	digest string // of wasm
	ref    string
}

// get gets a module from wherever it is.
func (f *registryFlags) get(ctx context.Context, text string, o artifact.Options) (module, error) {
	if slices.Contains(embedded.Names(), text) {
		if o.PublicKey != nil || o.Digest != "" {
			return module{}, fmt.Errorf("%s is a part of this program: it is neither signed nor pinned", text)
		}
		wasm, err := embedded.Module(text)
		return module{name: text, wasm: wasm, digest: digestOf(wasm), ref: text}, err
	}
	ref, err := artifact.ParseRef(text)
	if err != nil {
		if _, missing := os.Stat(text); missing == nil {
			return module{}, fmt.Errorf("%s is there, but is it a module? Write it as ./%s", text, text)
		}
		return module{}, fmt.Errorf("%w; built-in modules are %s", err, strings.Join(embedded.Names(), ", "))
	}
	o.Access = f.access()
	m, err := artifact.Pull(ctx, ref, o)
	if err != nil {
		return module{}, err
	}
	return module{name: nameOf(ref.Name()), wasm: m.Wasm, digest: m.Digest, ref: m.Ref.String()}, nil
}

// nameOf is the last word of a path, without an ending.
func nameOf(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

func checkOutput(output string, allowed ...string) error {
	if !slices.Contains(allowed, output) {
		return fmt.Errorf(`-o %s: choose one of %s`, output, strings.Join(allowed, ", "))
	}
	return nil
}
