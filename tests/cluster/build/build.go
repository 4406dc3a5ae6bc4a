package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Programs returns where each of the named programs is, and builds those that are
// not there. What it does is written to progress, a line each.
func Programs(ctx context.Context, progress io.Writer, names ...string) (map[string]string, error) {
	b, err := newBuilder(ctx, progress)
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, name := range names {
		if paths[name], err = b.program(ctx, name); err != nil {
			return nil, fmt.Errorf("building %s: %w", name, err)
		}
	}
	return paths, nil
}

type builder struct {
	source   string // Sluice's repository
	cache    string
	compiler string // the version of Go
	progress io.Writer
}

func newBuilder(ctx context.Context, progress io.Writer) (*builder, error) {
	source, err := Repository()
	if err != nil {
		return nil, err
	}
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	compiler, err := goCommand(ctx, source, "env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	return &builder{source: source, cache: cache, compiler: compiler, progress: progress}, nil
}

// Cache is the directory where what is built is kept; it exists.
func Cache() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("where to keep what is built: %w", err)
	}
	dir := filepath.Join(user, "sluice", "cluster")
	return dir, os.MkdirAll(dir, 0o755)
}

// Repository is the directory of Sluice's go.mod, at or above the working directory.
func Repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/sluice-net/sluice\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod of Sluice here or above: run this in a clone")
		}
		dir = filepath.Dir(dir)
	}
}

func (b *builder) program(ctx context.Context, name string) (string, error) {
	if name == AgnhostSCTP {
		return b.agnhostSCTP(ctx)
	}
	p, known := programs()[name]
	if !known {
		return "", errors.New("there is no recipe for it")
	}
	dir := b.source
	if p.pins != sluice {
		dir = filepath.Join(b.source, "tests", "cluster", "build", p.pins)
	}
	if p.module != "" {
		var err error
		if dir, err = moduleDir(ctx, b.source, p.module); err != nil {
			return "", err
		}
	}
	if p.volatile {
		path := filepath.Join(b.cache, "bin", name)
		return path, b.once(path, name, true, func(to string) error {
			_, err := goCommand(ctx, dir, "build", "-o", to, p.pkg)
			return err
		})
	}
	if p.c {
		return b.compiled(ctx, p, name, dir)
	}
	args, err := arguments(ctx, p, dir)
	if err != nil {
		return "", err
	}
	key, err := b.key(dir, args)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.cache, "bin", key, name)
	return path, b.once(path, name, false, func(to string) error {
		_, err := goCommand(ctx, dir, append(args[:len(args)-1:len(args)-1], "-o", to, args[len(args)-1])...)
		return err
	})
}

// arguments of the go command, the package last.
func arguments(ctx context.Context, p program, dir string) ([]string, error) {
	flags := "-s -w"
	if p.pins == kubernetes {
		version, err := goCommand(ctx, dir, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
		if err != nil {
			return nil, err
		}
		flags += versionFlags(version)
	}
	verb := []string{"build"}
	if p.test {
		verb = []string{"test", "-c", "-vet=off"}
	}
	return append(verb, "-ldflags", flags, p.pkg), nil
}

// versionFlags tell the programs which release they are, as upstream's own build
// does (hack/lib/version.sh): clients and API server compare it.
func versionFlags(version string) string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	var flags strings.Builder
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range [][2]string{
			{"gitVersion", version},
			{"gitMajor", major},
			{"gitMinor", minor},
			{"gitTreeState", "clean"},
			{"buildDate", "2026-01-01T00:00:00Z"},
		} {
			fmt.Fprintf(&flags, " -X %s.%s=%s", pkg, v[0], v[1])
		}
	}
	return flags.String()
}

// key names all that decides what a program is.
func (b *builder) key(dir string, args []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, b.compiler, args)
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		fmt.Fprintln(sum, name, len(text))
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// once makes a file that is not there, one process at a time. Always makes it anew.
func (b *builder) once(path, name string, always bool, make func(to string) error) error {
	if _, err := os.Stat(path); err == nil && !always {
		return nil
	}
	lock, err := os.OpenFile(filepath.Join(b.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("waiting for other builds: %w", err)
	}
	if _, err := os.Stat(path); err == nil && !always {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	begin := time.Now()
	fmt.Fprintf(b.progress, "building %s\n", name)
	if err := make(path + ".part"); err != nil {
		return errors.Join(err, os.RemoveAll(path+".part"))
	}
	fmt.Fprintf(b.progress, "built %s in %.0f s, kept as %s\n", name, time.Since(begin).Seconds(), path)
	return os.Rename(path+".part", path)
}

// goCommand runs the go command with the flags of `make`, so that what was compiled
// there need not be compiled again.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOFLAGS=-trimpath -mod=readonly -buildvcs=false", "CGO_ENABLED=0", "GOWORK=off", "GOOS=", "GOARCH=")
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
