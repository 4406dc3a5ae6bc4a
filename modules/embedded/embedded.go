// Package embedded holds the modules that are part of the agent's binary, so
// that a node enforces NetworkPolicy without any other file.
//
// `make build` puts the built modules here; they are not in the repository, and
// without them the package does not compile.
package embedded

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.wasm
var files embed.FS

// Module is the Wasm file, manifest included, of the built-in module of that
// name ("networkpolicy"). The caller owns it.
func Module(name string) ([]byte, error) {
	wasm, err := files.ReadFile(name + ".wasm")
	if err != nil {
		return nil, fmt.Errorf("there is no built-in module %q: use one of %s, or name a file", name, strings.Join(Names(), ", "))
	}
	return wasm, nil
}

// Names are the names of the built-in modules, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("embedded: list the files of the binary itself: %v", err))
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".wasm"))
	}
	return names
}
