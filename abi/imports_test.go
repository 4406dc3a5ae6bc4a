package abi

import (
	"go/build"
	"slices"
	"testing"
)

// Guests link this package: what it imports is paid for by every module.
func TestImportsNothingLarge(t *testing.T) {
	for _, dir := range []string{".", "../sdk/go/jsonscan"} {
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range p.Imports {
			if !slices.Contains([]string{"strconv", "unicode/utf8", "unicode/utf16"}, path) {
				t.Errorf("%s imports %s", dir, path)
			}
		}
	}
}
