package toolchain

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/abi/binary"
)

// Manifest is the name of the file beside a module's source.
const Manifest = "manifest.json"

// Build compiles the module in dir and writes it, with its manifest, to out.
// The compilers' own words are part of the error if they fail, and go to output
// otherwise; a nil output is nobody.
func Build(ctx context.Context, dir, out string, output io.Writer) error {
	language, err := Of(dir)
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(dir, Manifest))
	if err != nil {
		return fmt.Errorf("a module needs a manifest: %w", err)
	}
	if _, err := binary.ParseManifest(manifest); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, Manifest), err)
	}
	j, err := newJob(dir, out, output)
	if err != nil {
		return err
	}
	defer os.RemoveAll(j.scratch)
	switch language {
	case Go:
		err = j.buildGo(ctx)
	case Rust:
		err = j.buildRust(ctx)
	case C:
		err = j.buildC(ctx)
	case AssemblyScript:
		err = j.buildAssemblyScript(ctx)
	}
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(j.wasm())
	if err != nil {
		return err
	}
	with, err := binary.WithManifest(wasm, manifest)
	if err != nil {
		return fmt.Errorf("putting the manifest into the module of %s: %w", dir, err)
	}
	return WriteWhole(out, with)
}

// Test runs the module's own tests, in its language's way.
func Test(ctx context.Context, dir string, output io.Writer) error {
	language, err := Of(dir)
	if err != nil {
		return err
	}
	j, err := newJob(dir, filepath.Join(os.TempDir(), "module.wasm"), output)
	if err != nil {
		return err
	}
	defer os.RemoveAll(j.scratch)
	switch language {
	case Go:
		return j.run(ctx, nil, "go", "test", "./...")
	case Rust:
		return j.testRust(ctx)
	case C:
		return j.testC(ctx)
	default:
		return j.testAssemblyScript(ctx)
	}
}

// job is one build or test.
type job struct {
	dir     string // of the module; absolute
	cache   string // what compilers may keep, beside the output
	scratch string // removed at the end
	output  io.Writer
}

func newJob(dir, out string, output io.Writer) (*job, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "sluice-build-")
	if err != nil {
		return nil, err
	}
	return &job{dir: dir, cache: filepath.Join(filepath.Dir(out), ".cache"), scratch: scratch, output: output}, nil
}

// wasm is where the compilers put the module.
func (j *job) wasm() string { return filepath.Join(j.scratch, "module.wasm") }

// run runs a program in the module's folder.
func (j *job) run(ctx context.Context, env []string, program string, args ...string) error {
	var said bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Env = j.dir, append(os.Environ(), env...)
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	if err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", strings.Join(append([]string{filepath.Base(program)}, args...), " "), j.dir, err, bytes.TrimSpace(said.Bytes()))
	}
	if j.output != nil {
		if _, err := j.output.Write(said.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) buildGo(ctx context.Context) error {
	if _, err := exec.LookPath("go"); err != nil {
		return &MissingError{Language: Go, Missing: []string{"go is"}, Get: "https://go.dev/dl"}
	}
	return j.run(ctx, []string{"GOOS=wasip1", "GOARCH=wasm"},
		"go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w -buildid=", "-o", j.wasm(), ".")
}

// sdk is the folder of an SDK: "sluice" in the module's own folder, where
// `sluicectl module new` puts a copy, or sdk/name in a folder above, as in
// Sluice's repository. file is one of its files.
func (j *job) sdk(name, file string) (string, error) {
	places := []string{filepath.Join(j.dir, "sluice")}
	for above := filepath.Dir(j.dir); ; above = filepath.Dir(above) {
		places = append(places, filepath.Join(above, "sdk", name))
		if above == filepath.Dir(above) {
			break
		}
	}
	for _, place := range places {
		if _, err := os.Stat(filepath.Join(place, file)); err == nil {
			return place, nil
		}
	}
	return "", fmt.Errorf("the SDK is not there: put Sluice's folder sdk/%s into %s under the name sluice", name, j.dir)
}
