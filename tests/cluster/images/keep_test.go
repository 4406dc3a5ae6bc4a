package images

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/deploy/image"
)

// An archive is made again when anything that it is made of is another, and only then.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	source, archive := filepath.Join(dir, "source"), filepath.Join(dir, "image.tar")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	i := image.Image{Names: []string{"a"}, Files: []image.File{{Path: "/x", Source: source}}}
	var last os.FileInfo
	kept := func(what string, want bool) {
		t.Helper()
		if err := keep(archive, i); err != nil {
			t.Fatal(err)
		}
		now, err := os.Stat(archive)
		if err != nil {
			t.Fatal(err)
		}
		if got := last != nil && os.SameFile(last, now); got != want {
			t.Errorf("%s: kept %t, want %t", what, got, want)
		}
		last = now
	}
	kept("the first", false)
	kept("the same", true)
	write("other")
	kept("another source", false)
	i.Files = append(i.Files, image.File{Path: "/y", Link: "x"})
	kept("another list of files", false)
	i.Command = []string{"/x"}
	kept("another command", false)
	kept("the same again", true)
}
