package keep

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "objects")
	if _, err := Read(path, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first write: %v", err)
	}
	for _, content := range [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("x"), 10)} {
		if err := Write(path, content); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, 10)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %q, %v; want %q", got, err, content)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if _, err := Read(path, 9); !errors.Is(err, ErrCorrupt) {
		t.Errorf("larger than the limit: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Whatever byte is changed, and wherever a file ends too early, it is not read.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "objects")
	if err := Write(path, []byte("the objects of a node")); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path, 100); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %q, %v", what, got, err)
		}
	}
	for i := range good {
		flipped := bytes.Clone(good)
		flipped[i] ^= 1
		damaged("a flipped bit", flipped)
		damaged("cut off", good[:i])
	}
	damaged("appended to", append(bytes.Clone(good), 0))
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"objects", "objects.tmp-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(dir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "objects" {
		t.Errorf("left: %v, %v", entries, err)
	}
}
