package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	rustTarget = "wasm32-unknown-unknown"
	getRust    = "apt-get install rustc cargo libstd-rust-dev-wasm32 lld, or: rustup target add " + rustTarget
)

// rust is a compiler and the cargo that belongs to it.
type rust struct{ rustc, cargo string }

// findRust takes the first rustc of the PATH that has a cargo beside it and, if
// wasm is wanted, the library of the target. There may be one of rustup and one
// of the distribution, and only one of them may be able to make Wasm.
func findRust(ctx context.Context, wasm bool) (rust, error) {
	missing := "rustc and cargo are"
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		r := rust{filepath.Join(dir, "rustc"), filepath.Join(dir, "cargo")}
		if _, err := exec.LookPath(r.rustc); err != nil {
			continue
		}
		if _, err := exec.LookPath(r.cargo); err != nil {
			continue
		}
		if !wasm {
			return r, nil
		}
		missing = "the library of Rust's target " + rustTarget + " is"
		libraries, err := exec.CommandContext(ctx, r.rustc, "--print", "target-libdir", "--target", rustTarget).Output()
		if err != nil {
			continue
		}
		if found, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(libraries)), "libstd-*.rlib")); err == nil && len(found) > 0 {
			return r, nil
		}
	}
	return rust{}, &MissingError{Language: Rust, Missing: []string{missing}, Get: getRust}
}

func (r rust) env(cache string) []string {
	return []string{"RUSTC=" + r.rustc, "RUSTDOC=" + filepath.Join(filepath.Dir(r.rustc), "rustdoc"), "CARGO_TARGET_DIR=" + cache, "CARGO_NET_OFFLINE=true"}
}

func (j *job) buildRust(ctx context.Context) error {
	r, err := findRust(ctx, true)
	if err != nil {
		return err
	}
	cache := filepath.Join(j.cache, "rust")
	if err := j.run(ctx, r.env(cache), r.cargo, "build", "--release", "--lib", "--target", rustTarget); err != nil {
		return err
	}
	name, err := j.crate()
	if err != nil {
		return err
	}
	return copyFile(j.wasm(), filepath.Join(cache, rustTarget, "release", strings.ReplaceAll(name, "-", "_")+".wasm"))
}

func (j *job) testRust(ctx context.Context) error {
	// The one that builds the module too, if there is one: an older cargo does not
	// read what a newer one has written.
	r, err := findRust(ctx, true)
	if err != nil {
		if r, err = findRust(ctx, false); err != nil {
			return err
		}
	}
	return j.run(ctx, r.env(filepath.Join(j.scratch, "rust")), r.cargo, "test", "--quiet")
}

// crate is the name of the module's library: that of [lib], or of the package.
func (j *job) crate() (string, error) {
	text, err := os.ReadFile(filepath.Join(j.dir, "Cargo.toml"))
	if err != nil {
		return "", err
	}
	section, name := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "name" && (section == "[lib]" || section == "[package]" && name == "") {
			name = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	if name == "" {
		return "", fmt.Errorf("%s has no package name", filepath.Join(j.dir, "Cargo.toml"))
	}
	return name, nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
