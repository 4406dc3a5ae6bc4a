// Package sdk_test runs the test suites of the SDKs that are not written in Go,
// and of the modules that use them, with the tools of their languages. What is
// not installed is skipped, with a word on how to get it.
package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

// orSkip fails the test with err, or skips it if err says what is missing.
func orSkip(t *testing.T, err error) {
	t.Helper()
	var missing *toolchain.MissingError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir string, env []string, program string, args ...string) []byte {
	t.Helper()
	command := exec.Command(program, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %v in %s: %v\n%s%s", program, args, dir, err, out, stderr.Bytes())
	}
	return out
}

func need(t *testing.T, program, get string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is missing; get it with: %s", program, get)
	}
}

func TestC(t *testing.T) {
	need(t, "cc", "apt-get install gcc libc6-dev")
	need(t, "make", "apt-get install make")
	out := t.TempDir()
	run(t, "c", nil, "make", "check", "OUT="+out)

	// What the test host writes of requests, protoc reads as the same requests.
	need(t, "protoc", "apt-get install protobuf-compiler")
	for _, name := range []string{"requests-readme", "requests-sets", "requests-rules", "requests-large"} {
		text := run(t, "c", nil, filepath.Join(out, "golden"), "../../abi/testdata/golden", name)
		protoc := exec.Command("protoc", "--encode=sluice.abi.v1.RequestBatch", "abi.proto")
		protoc.Dir, protoc.Stdin = "../abi", bytes.NewReader(text)
		got, err := protoc.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		want, err := os.ReadFile("../abi/testdata/golden/" + name + ".bin")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the text is not that of the vector:\n%s", name, text)
		}
	}
}

func TestRust(t *testing.T) {
	orSkip(t, toolchain.Test(context.Background(), "rust", nil))
}

func TestAssemblyScript(t *testing.T) {
	asc, err := toolchain.AssemblyScriptCompiler("assemblyscript")
	orSkip(t, err)
	run(t, "assemblyscript", []string{"SLUICE_ASC=" + asc}, "node", "--test", "test/golden.test.mjs", "test/loop.test.mjs")
}

// TestModules builds every module that is not in Go, runs its tests, and looks
// at the file.
func TestModules(t *testing.T) {
	manifests, err := filepath.Glob("../modules/*/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, manifest := range manifests {
		dir := filepath.Dir(manifest)
		language, err := toolchain.Of(dir)
		if err != nil {
			t.Fatal(err)
		}
		if language == toolchain.Go {
			continue // a package like all others
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			orSkip(t, toolchain.Test(context.Background(), dir, nil))
			out := filepath.Join(t.TempDir(), "module.wasm")
			orSkip(t, toolchain.Build(context.Background(), dir, out, nil))
			wasm, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			b, err := binary.Inspect(wasm)
			if err != nil {
				t.Fatal(err)
			}
			if !b.HasExport(abi.Marker, binary.Function) || !b.HasExport("sluice_handle", binary.Function) {
				t.Error("the exports of a module are missing")
			}
			for _, i := range b.Imports {
				if i.Module != "sluice" || !slices.Contains([]string{"recv", "emit", "log"}, i.Name) {
					t.Errorf("imports %s.%s, which it does not need", i.Module, i.Name)
				}
			}
			if b.Size > 256<<10 {
				t.Errorf("%d bytes: something large has been linked in", b.Size)
			}
			t.Logf("%d bytes", b.Size)
		})
	}
}
