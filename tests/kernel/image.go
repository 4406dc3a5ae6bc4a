package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sluice-net/sluice/tests/kernel/errand"
)

// programs of this machine that run in the guest: Open vSwitch, and what the
// tests call.
var programs = []string{
	"ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "ovs-appctl",
	"ip", "nft", "ethtool", "nsenter", "ping", "sysctl", "sh", "cat",
}

// schema is what ovsdb-tool makes databases of.
const schema = "/usr/share/openvswitch/vswitch.ovsschema"

// buildImage writes the guest's root file system: an initramfs.
func buildImage(ctx context.Context, path, scratch string, k kernel, chosen []part) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriter(file)
	zip, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		return err
	}
	a := newArchive(zip)
	for _, step := range []func() error{
		func() error { return a.directories("dev", "etc", "proc", "run", "sys", "tmp", "var", "root") },
		func() error { return addPrograms(a) },
		func() error { return addModules(ctx, a, k) },
		func() error { return addTests(ctx, a, scratch, chosen) },
		a.close, zip.Close, buffered.Flush,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("building the guest's file system: %w", err)
		}
	}
	return nil
}

// addPrograms adds programs with the libraries that they are linked to.
func addPrograms(a *archive) error {
	libraries := map[string]bool{}
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
		if err := a.copy("usr/bin/"+name, path, 0o755); err != nil {
			return err
		}
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			return fmt.Errorf("ldd %s: %w", path, err)
		}
		for _, library := range libraryPath.FindAllString(string(out), -1) {
			libraries[library] = true
		}
	}
	for library := range libraries {
		if err := a.copy(strings.TrimPrefix(library, "/"), library, 0o755); err != nil {
			return err
		}
	}
	return a.copy(strings.TrimPrefix(schema, "/"), schema, 0o644)
}

var libraryPath = regexp.MustCompile(`/\S+`)

// addModules adds the kernel's modules, numbered in the order of loading.
func addModules(ctx context.Context, a *archive, k kernel) error {
	files, err := k.modules(ctx)
	if err != nil {
		return err
	}
	for i, file := range files {
		if err := a.copy(fmt.Sprintf("modules/%03d-%s", i, filepath.Base(file)), file, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// addTests adds the guest's init, the tests and what they test.
func addTests(ctx context.Context, a *archive, scratch string, chosen []part) error {
	if err := addBuilt(ctx, a, scratch, "init", "build", "./tests/kernel/guest"); err != nil {
		return err
	}
	if err := a.tree("work/bin", "bin"); err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	var errands []errand.Errand
	for _, p := range chosen {
		if err := addBuilt(ctx, a, scratch, strings.TrimPrefix(p.program(), "/"), "test", "-c", p.pkg); err != nil {
			return err
		}
		for _, data := range p.data {
			if err := a.tree(strings.TrimPrefix(filepath.Join(p.dir(), data), "/"), filepath.Join(p.pkg, data)); err != nil {
				return err
			}
		}
		errands = append(errands, p.errand())
	}
	list, err := json.Marshal(errands)
	if err != nil {
		return err
	}
	return a.file(strings.TrimPrefix(errand.File, "/"), list, 0o644)
}

// addBuilt adds a program that go makes, statically linked and without what only
// debuggers read.
func addBuilt(ctx context.Context, a *archive, scratch, name string, args ...string) error {
	output := filepath.Join(scratch, filepath.Base(name))
	args = append(args[:len(args)-1:len(args)-1], "-ldflags=-s -w", "-o", output, args[len(args)-1])
	build := exec.CommandContext(ctx, "go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return a.copy(name, output, 0o755)
}

// tree copies a directory.
func (a *archive) tree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return a.copy(filepath.Join(to, below), path, info.Mode().Perm())
	})
}
