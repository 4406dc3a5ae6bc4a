package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/sdk/toolchain"
	"github.com/sluice-net/sluice/tests/labtest"
)

// compilerMissing is what `sluicectl module test` exits with where it cannot build.
const compilerMissing = 3

// TestWalkThrough executes the commands of sdk/README.md, one block after the
// other in one shell, in a home of its own, once for each language. Making the
// programs is left out: it has been done.
func TestWalkThrough(t *testing.T) {
	binaries := labtest.Programs(t, false)
	text, err := os.ReadFile(filepath.Join("..", "..", "sdk", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range toolchain.Languages() {
		t.Run(string(language), func(t *testing.T) {
			script := walkThrough(t, string(text), language)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			shell := exec.CommandContext(ctx, "bash", "-c", script)
			shell.Dir = clone
			shell.Env = append(os.Environ(), elsewhere(t)...)
			shell.Env = append(shell.Env, "PATH="+filepath.Dir(binaries.Ctl)+":"+os.Getenv("PATH"))
			out, err := shell.CombinedOutput()
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.ExitCode() == compilerMissing {
				t.Skipf("%s", out)
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, said := range []string{"ok      ABI: a batch is a pure function of state", "ok      closed (", "closed.wasm"} {
				if !strings.Contains(string(out), said) {
					t.Errorf("%q is not said:\n%s", said, out)
				}
			}
		})
	}
}

// walkThrough is the page's commands in one language: where it begins a module it
// says another language, and the table says what is done once in the new folder.
func walkThrough(t *testing.T, page string, language toolchain.Language) string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `" + string(language) + "` \\|[^|]*\\| (?:`([^`]*)` )?\\|$").FindStringSubmatch(page)
	if row == nil {
		t.Fatalf("the table of languages lacks %s", language)
	}
	if language == toolchain.AssemblyScript {
		// Where `make build` did not get the compiler from npm's registry, the page's
		// reader would not get it either.
		if _, err := toolchain.AssemblyScriptCompiler("."); err != nil {
			t.Skip(err)
		}
	}
	script, begun, entered := "set -euxo pipefail\n", false, false
	blocks := strings.Split(page, "```sh\n")[1:]
	for _, block := range blocks {
		commands, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(commands) {
			switch {
			case strings.HasPrefix(line, "make build"), strings.HasPrefix(line, "export PATH="):
				continue
			case strings.Contains(line, "module new"):
				begun = strings.Contains(line, "--lang c ")
				line = strings.Replace(line, "--lang c ", "--lang "+string(language)+" ", 1)
			case strings.HasPrefix(line, "cd "):
				entered = true
				line += row[1] + "\n"
			}
			script += line
		}
	}
	if len(blocks) < 5 || !begun || !entered || !strings.Contains(script, "lab run") {
		t.Fatalf("the commands are not found:\n%s", script)
	}
	return script
}

// elsewhere is a home of the test's own, in which compilers still find what they
// keep in the person's.
func elsewhere(t *testing.T) []string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + t.TempDir(), "npm_config_prefer_offline=true"}
	for name, kept := range map[string]string{
		"GOPATH": "go", "GOCACHE": ".cache/go-build", "CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup", "npm_config_cache": ".npm",
	} {
		if _, set := os.LookupEnv(name); !set {
			env = append(env, name+"="+filepath.Join(home, kept))
		}
	}
	return env
}
