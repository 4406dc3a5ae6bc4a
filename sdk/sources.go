// Package sdk carries the source of the SDKs that are not in Go, for projects
// outside of this repository: `sluicectl module new` writes a copy beside the
// module, which then builds without a network and without a clone.
package sdk

import (
	"embed"
	"io/fs"
)

//go:embed c/README.md c/sluice.h c/sluice.c c/testing
//go:embed rust/README.md rust/Cargo.toml rust/src
//go:embed assemblyscript/README.md assemblyscript/package.json assemblyscript/assembly assemblyscript/testing
var sources embed.FS

// Source is the SDK of a language, as its folder is named; ok is false if there
// is none to copy.
func Source(language string) (files fs.FS, ok bool) {
	if _, err := sources.ReadDir(language); err != nil {
		return nil, false
	}
	files, err := fs.Sub(sources, language)
	return files, err == nil
}
