package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
)

// The smallest file that looks like a module: one function, exported as the
// marker.
const module = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // type () -> ()
	"\x03\x02\x01\x00" +
	"\x07\x11\x01\x0dsluice_abi_v1\x00\x00" +
	"\x0a\x04\x01\x02\x00\x0b"

const manifest = `{
  "name": "m", "version": "1", "abi": 1,
  "resources": [], "tiers": [], "actions": []
}`

func TestPutAndReplace(t *testing.T) {
	dir := t.TempDir()
	wasm, text := filepath.Join(dir, "m.wasm"), filepath.Join(dir, "m.json")
	write(t, wasm, module)
	for _, version := range []string{"1", "2", "3"} {
		write(t, text, strings.Replace(manifest, `"version": "1"`, `"version": "`+version+`"`, 1))
		if err := run([]string{"-manifest", text, "-in", wasm, "-out", wasm}, io.Discard); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(wasm)
		if err != nil {
			t.Fatal(err)
		}
		found, err := binary.Inspect(b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := binary.ParseManifest(found.Manifest)
		if err != nil || m.Version != version {
			t.Errorf("manifest is %s (%v), want version %s", found.Manifest, err, version)
		}
		bare, err := binary.WithoutCustomSection(b, abi.ManifestSection)
		if err != nil || string(bare) != module {
			t.Errorf("the rest of the file has changed (%v)", err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

func TestRefusesAndLeavesTheFile(t *testing.T) {
	for _, c := range []struct{ name, wasm, manifest, want string }{
		{"bad manifest", module, `{"name":"M"}`, "manifest: name:"},
		{"not Wasm", "text", manifest, "wasm: at offset 0"},
		{"no module", module[:8], manifest, "does not export the function sluice_abi_v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			wasm, text := filepath.Join(dir, "m.wasm"), filepath.Join(dir, "m.json")
			write(t, wasm, c.wasm)
			write(t, text, c.manifest)
			err := run([]string{"-manifest", text, "-in", wasm, "-out", wasm}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), wasm) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if b, err := os.ReadFile(wasm); err != nil || string(b) != c.wasm {
				t.Errorf("the file has changed: %q, %v", b, err)
			}
		})
	}
	var usage bytes.Buffer
	if err := run([]string{"-in", "x"}, &usage); err == nil {
		t.Error("missing flags are accepted")
	}
	if err := run([]string{"-manifest", "nothing", "-in", "nothing", "-out", "nothing"}, &usage); err == nil {
		t.Error("missing files are accepted")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
