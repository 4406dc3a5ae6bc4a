package modules_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/tests/modules"
)

// The .wasm files are what wat2wasm makes of the .wat files.
func TestFilesAreCurrent(t *testing.T) {
	names, err := modules.Names()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 25 {
		t.Errorf("there are only %d modules", len(names))
	}
	wat2wasm, err := exec.LookPath("wat2wasm")
	if err != nil {
		t.Logf("wat2wasm (Debian: wabt) is not installed: the files are only read")
	}
	for _, name := range names {
		kept, err := modules.Bare(name)
		if err != nil {
			t.Errorf("%s.wat has no .wasm: %v", name, err)
			continue
		}
		if wat2wasm == "" {
			continue
		}
		out := filepath.Join(t.TempDir(), name+".wasm")
		if text, err := exec.Command(wat2wasm, "--enable-all", name+".wat", "-o", out).CombinedOutput(); err != nil {
			t.Errorf("%s.wat: %v\n%s", name, err, text)
			continue
		}
		made, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made, kept) {
			t.Errorf("%s.wasm is not what wat2wasm makes of %s.wat: run wat2wasm --enable-all %s.wat -o %s.wasm", name, name, name, name)
		}
	}
}

// The compile bomb that is kept as a file, for people, is the one in bomb.go.
func TestBombIsCurrent(t *testing.T) {
	kept, err := modules.Bare("compile-bomb")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, modules.MemoryBomb()) {
		t.Error("compile-bomb.wasm is not MemoryBomb()")
	}
}
