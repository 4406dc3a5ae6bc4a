package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestModuleNew begins a module outside of the repository, and takes it as far as
// its own scenario.
func TestModuleNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "closed")
	t.Setenv("GOFLAGS", "-mod=mod")
	out := must(t, "module", "new", "closed", "--lang", "go", "--dir", dir, "--sdk", filepath.Join("..", "..", ".."))
	if !strings.Contains(out, "main.go") {
		t.Errorf("written: %s", out)
	}
	out = must(t, "module", "test", dir, "--sandbox", sandboxPath(t))
	if !strings.Contains(out, "ok      closed") {
		t.Errorf("tested: %s", out)
	}
	var b Built
	if err := json.Unmarshal([]byte(must(t, "module", "build", dir, "-o", "json")), &b); err != nil {
		t.Fatal(err)
	}
	if wasm, err := os.ReadFile(b.File); err != nil || filepath.Base(b.File) != "closed.wasm" || digestOf(wasm) != b.Digest {
		t.Errorf("built %+v, %v", b, err)
	}
	must(t, "module", "inspect", b.File)
	// In a clone nobody needs to say where the SDK is.
	beside := filepath.Join(t.TempDir(), "beside")
	must(t, "module", "new", "beside", "--lang", "go", "--dir", beside)
	if text, err := os.ReadFile(filepath.Join(beside, "go.mod")); err != nil || !strings.Contains(string(text), "replace "+sluiceModule+" => /") {
		t.Errorf("made in a clone: %v\n%s", err, text)
	}
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"module", "new", "closed", "--lang", "go", "--dir", dir},
		{"module", "new", "nowhere", "--lang", "go", "--dir", dir + "2"},
		{"module", "new", "Closed", "--lang", "go", "--dir", dir + "2"},
		{"module", "new", "closed", "--lang", "cobol", "--dir", dir + "2"},
		{"module", "build", t.TempDir()},
	} {
		if _, err := sluicectl(t, args...); err == nil {
			t.Errorf("sluicectl %s: it succeeded", strings.Join(args, " "))
		}
	}
}
