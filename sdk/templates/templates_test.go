package templates

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/sdk/toolchain"
)

// TestEveryTemplateWorksAsItIs writes a module in each language outside of the
// repository, runs its tests, and builds it. The one in Go is taken further by
// the tests of sluicectl.
func TestEveryTemplateWorksAsItIs(t *testing.T) {
	if got := Languages(); !slices.Equal(got, toolchain.Languages()) {
		t.Errorf("there are templates for %v", got)
	}
	for _, language := range []toolchain.Language{toolchain.C, toolchain.Rust, toolchain.AssemblyScript} {
		t.Run(string(language), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "mine")
			if _, err := Write(dir, language, Values{Name: "mine"}); err != nil {
				t.Fatal(err)
			}
			if language == toolchain.AssemblyScript {
				// What `npm install` would do.
				if compiler, err := filepath.Abs("../../bin/npm/node_modules"); err == nil {
					_ = os.Symlink(compiler, filepath.Join(dir, "node_modules"))
				}
			}
			for what, err := range map[string]error{
				"test":  toolchain.Test(context.Background(), dir, nil),
				"build": toolchain.Build(context.Background(), dir, filepath.Join(t.TempDir(), "mine.wasm"), nil),
			} {
				var missing *toolchain.MissingError
				if errors.As(err, &missing) {
					t.Skip(err)
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}
