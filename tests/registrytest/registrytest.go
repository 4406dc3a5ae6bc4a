// Package registrytest gives tests a real container registry: the reference one
// (tests/registry), which "make bin/registry" builds. It listens on the loopback
// interface, keeps everything in memory, and ends with the test, or with the
// process that runs it, whatever comes first.
package registrytest

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Start runs a registry and returns its address, HOST:PORT, which speaks plain
// HTTP. Stop ends it before the test does; it is harmless to repeat.
func Start(t testing.TB) (address string, stop func()) {
	t.Helper()
	program := find(t)
	command := exec.Command(program)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			stdin.Close() // the registry ends with its standard input
			_ = command.Wait()
		}
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the registry said nothing: %v", err)
	}
	return strings.TrimSpace(line), stop
}

// find looks for bin/registry in the folders above the test's.
func find(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "CONTRIBUTING.md")); err != nil {
			continue
		}
		program := filepath.Join(dir, "bin", "registry")
		if _, err := os.Stat(program); !errors.Is(err, fs.ErrNotExist) {
			return program
		}
	}
	t.Skip(`bin/registry is not there: run "make bin/registry"`)
	return ""
}
