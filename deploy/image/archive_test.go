package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func read(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[header.Name]; twice {
			t.Errorf("%s is there twice", header.Name)
		}
		files[header.Name] = content
	}
}

// Who follows an archive from its index, as an importer does, finds what went in.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("run me"), 0o755); err != nil {
		t.Fatal(err)
	}
	i := Image{
		Names: []string{"example.org/a:1", "example.org/b:2"}, Entrypoint: []string{"/bin/program"}, User: "1:1",
		Files: []File{{Path: "/bin/sh", Link: "program"}, {Path: "/bin/program", Source: program}, {Path: "/etc/name", Content: "x"}, {Path: "/var/lib/empty"}},
	}
	path := filepath.Join(dir, "image.tar")
	if err := i.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := read(t, bytes.NewReader(text))
	blob := func(d v1.Descriptor, into any) []byte {
		content := files["blobs/sha256/"+d.Digest.Encoded()]
		if digest.FromBytes(content) != d.Digest || int64(len(content)) != d.Size {
			t.Fatalf("%s has other content than its descriptor says", d.Digest)
		}
		if into != nil {
			if err := json.Unmarshal(content, into); err != nil {
				t.Fatal(err)
			}
		}
		return content
	}
	var index v1.Index
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 2 {
		t.Fatalf("index: %v, %s", err, files["index.json"])
	}
	var manifest v1.Manifest
	var config v1.Image
	blob(index.Manifests[1], &manifest)
	blob(manifest.Config, &config)
	if config.Config.User != "1:1" || config.Config.Entrypoint[0] != "/bin/program" {
		t.Errorf("configuration %+v", config.Config)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(blob(manifest.Layers[0], nil)))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(unzip)
	if err != nil || digest.FromBytes(layer) != config.RootFS.DiffIDs[0] {
		t.Fatalf("the layer is not the one of the configuration: %v", err)
	}
	content := read(t, bytes.NewReader(layer))
	want := strings.Fields("bin/ bin/program bin/sh dev/ etc/ etc/name proc/ run/ sys/ tmp/ var/ var/lib/ var/lib/empty/")
	if got := slices.Sorted(maps.Keys(content)); !slices.Equal(got, want) {
		t.Errorf("the layer has %v", got)
	}
	if string(content["bin/program"]) != "run me" {
		t.Errorf("program is %q", content["bin/program"])
	}

	again := filepath.Join(dir, "again.tar")
	if err := i.Write(again); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(again); err != nil || !bytes.Equal(second, text) {
		t.Errorf("the same files gave another image: %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.tar")
	err := Image{Names: []string{"a"}, Files: []File{{Path: "/x", Source: "/does/not/exist"}}}.Write(path)
	if err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
