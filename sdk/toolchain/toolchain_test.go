package toolchain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLanguageIsReadOffTheFiles(t *testing.T) {
	for _, l := range Languages() {
		dir := t.TempDir()
		write(t, filepath.Join(dir, l.entry()), "")
		if got, err := Of(dir); err != nil || got != l {
			t.Errorf("%s: got %q, %v", l.entry(), got, err)
		}
	}
	if _, err := Of(t.TempDir()); err == nil || !strings.Contains(err.Error(), "it has none of main.go, Cargo.toml, main.c, assembly/index.ts") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestMissingCompilersAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, l := range Languages() {
		dir := t.TempDir()
		write(t, filepath.Join(dir, l.entry()), "")
		write(t, filepath.Join(dir, Manifest), `{"name":"m","version":"1","abi":1,"resources":[],"tiers":[],"actions":[]}`)
		out := filepath.Join(t.TempDir(), "m.wasm")
		var missing *MissingError
		if err := Build(context.Background(), dir, out, nil); !errors.As(err, &missing) || missing.Language != l || missing.Get == "" {
			t.Errorf("%s: %v", l, err)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is an output: %v", l, err)
		}
	}
}

func TestManifestIsCheckedFirst(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.c"), "")
	out := filepath.Join(t.TempDir(), "m.wasm")
	if err := Build(context.Background(), dir, out, nil); err == nil || !strings.Contains(err.Error(), "a module needs a manifest") {
		t.Errorf("without a manifest: %v", err)
	}
	write(t, filepath.Join(dir, Manifest), `{"name":"M"}`)
	if err := Build(context.Background(), dir, out, nil); err == nil || !strings.Contains(err.Error(), "manifest: name") {
		t.Errorf("a wrong manifest: %v", err)
	}
}
