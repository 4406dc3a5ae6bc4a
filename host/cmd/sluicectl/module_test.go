package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sluicectl runs the program's command and returns what it prints.
func sluicectl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, progress bytes.Buffer
	c := command()
	c.SetOut(&out)
	c.SetErr(&progress)
	c.SetArgs(args)
	err := c.ExecuteContext(context.Background())
	return out.String(), err
}

// must runs it and fails if it does not succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := sluicectl(t, args...)
	if err != nil {
		t.Fatalf("sluicectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// exitCode is what main would exit with.
func exitCode(err error) int {
	var with interface{ ExitCode() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &with):
		return with.ExitCode()
	}
	return 1
}

func TestModuleInspect(t *testing.T) {
	var i Inspection
	if err := json.Unmarshal([]byte(must(t, "module", "inspect", "networkpolicy", "-o", "json")), &i); err != nil {
		t.Fatal(err)
	}
	if i.Manifest == nil || i.Manifest.Name != "networkpolicy" || i.Size == 0 || !strings.HasPrefix(i.Digest, "sha256:") {
		t.Errorf("%+v", i)
	}
	if got := strings.Join(i.Capabilities, " "); got != "sluice.emit sluice.log sluice.recv" {
		t.Errorf("capabilities %s", got)
	}
	forbidden := filepath.Join("..", "..", "..", "tests", "modules", "forbidden-import.wasm")
	out, err := sluicectl(t, "module", "inspect", forbidden)
	if exitCode(err) != 1 || !strings.Contains(err.Error(), "path_open") || !strings.Contains(out, "path_open") {
		t.Errorf("a module with a forbidden import: %v\n%s", err, out)
	}
	if _, err := sluicectl(t, "module", "inspect", "networkpolizy"); err == nil || !strings.Contains(err.Error(), "built-in modules are") {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestModuleTransfer(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(passwordVariable, "secret")
	t.Setenv("DOCKER_CONFIG", dir) // not the person's own
	key, layout, file := filepath.Join(dir, "team"), "oci-layout:"+dir+"/layout", filepath.Join(dir, "got.wasm")
	must(t, "module", "generate-key-pair", "--prefix", key)
	if _, err := sluicectl(t, "module", "generate-key-pair", "--prefix", key); err == nil {
		t.Error("a key pair was overwritten")
	}
	ref := strings.TrimSpace(must(t, "module", "push", "networkpolicy", layout+":1"))
	if !strings.HasPrefix(ref, layout+":1@sha256:") {
		t.Errorf("push printed %q", ref)
	}
	if _, err := sluicectl(t, "module", "verify", ref, "--key", key+".pub"); exitCode(err) != 1 || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("before it is signed: %v", err)
	}
	must(t, "module", "sign", ref, "--key", key+".key")
	must(t, "module", "verify", ref, "--key", key+".pub")
	var transfer Transfer
	if err := json.Unmarshal([]byte(must(t, "module", "pull", layout+":1", "-f", file, "--key", key+".pub", "-o", "json")), &transfer); err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(file)
	if err != nil || transfer.Digest != digestOf(wasm) || transfer.Ref != ref || !transfer.Signed {
		t.Errorf("%+v, %d bytes, %v", transfer, len(wasm), err)
	}
	if _, err := sluicectl(t, "module", "pull", layout+":1", "-f", file, "--digest", "sha256:"+strings.Repeat("0", 64)); err == nil {
		t.Error("another digest than asked for was taken")
	}
	if _, err := sluicectl(t, "module", "verify", "networkpolicy", "--key", key+".pub"); err == nil {
		t.Error("a built-in module counts as signed")
	}
}

// TestModuleCommandsShowThemselves: every command says what it is for with an
// example, and knows what it is given.
func TestModuleCommandsShowThemselves(t *testing.T) {
	for _, c := range moduleCommand().Commands() {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("module %s lacks a text or an example", c.Name())
		}
		if c.Flags().Lookup("output") == nil && c.Name() != "generate-key-pair" && c.Name() != "new" {
			t.Errorf("module %s has no -o", c.Name())
		}
	}
}
