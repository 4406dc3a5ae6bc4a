package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/labtest"
)

// TestWalkThrough executes the commands of sdk/README.md, one block after the
// other in one shell, in a home of its own. Making the programs is left out: it
// has been done.
func TestWalkThrough(t *testing.T) {
	binaries := labtest.Programs(t, false)
	for _, program := range []string{"clang", "wasm-ld", "cc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing; get it with: make deps", program)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "sdk", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "set -euxo pipefail\n"
	blocks := strings.Split(string(text), "```sh\n")[1:]
	for _, block := range blocks {
		commands, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(commands) {
			if strings.HasPrefix(line, "make build") || strings.HasPrefix(line, "export PATH=") {
				continue
			}
			script += line
		}
	}
	if len(blocks) < 5 || !strings.Contains(script, "module new") || !strings.Contains(script, "lab run") {
		t.Fatalf("the commands are not found:\n%s", script)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH="+filepath.Dir(binaries.Ctl)+":"+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, said := range []string{"ok      ABI: a batch is a pure function of state", "ok      closed (", "closed.wasm"} {
		if !strings.Contains(string(out), said) {
			t.Errorf("%q is not said:\n%s", said, out)
		}
	}
}
