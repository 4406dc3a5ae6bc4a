package plugin

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/sandbox"
)

// watched is what watchFile sends for a path.
func watched(t *testing.T, path string) <-chan reading {
	ctx, cancel := context.WithCancel(context.Background())
	out, ended := make(chan reading), make(chan struct{})
	go func() {
		defer close(ended)
		watchFile(ctx, path, out)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return out
}

func expect(t *testing.T, out <-chan reading, content, problem string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case r := <-out:
			switch {
			case problem == "" && r.err == nil && string(r.wasm) == content:
				return
			case problem != "" && r.err != nil && strings.Contains(r.err.Error(), problem):
				return
			}
			t.Logf("passed over: %q, %v", r.wasm, r.err) // an earlier state, seen late
		case <-deadline:
			t.Fatalf("%q %q was never read", content, problem)
		}
	}
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWatchFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "modules")
	path := filepath.Join(dir, "m.wasm")
	out := watched(t, path)
	expect(t, out, "", "no such file") // not even the directory

	do(t, os.Mkdir(dir, 0o755))
	expect(t, out, "", "cannot be read")
	do(t, os.WriteFile(path, []byte("one"), 0o644))
	expect(t, out, "one", "")
	do(t, os.WriteFile(path, []byte("two"), 0o644)) // in place
	expect(t, out, "two", "")
	do(t, os.WriteFile(path+".new", []byte("three"), 0o644), os.Rename(path+".new", path))
	expect(t, out, "three", "")
	do(t, os.Remove(path))
	expect(t, out, "", "no such file")
	do(t, os.RemoveAll(dir))
	expect(t, out, "", "watching")
	do(t, os.Mkdir(dir, 0o755), os.WriteFile(path, []byte("four"), 0o644))
	expect(t, out, "four", "")
}

// The way in which the kubelet updates a ConfigMap volume.
func TestWatchFileBehindLinks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.wasm")
	for _, v := range []string{"v1", "v2"} {
		do(t, os.Mkdir(filepath.Join(dir, v), 0o755), os.WriteFile(filepath.Join(dir, v, "m.wasm"), []byte(v), 0o644))
	}
	do(t, os.Symlink("v1", filepath.Join(dir, "..data")), os.Symlink("..data/m.wasm", path))
	out := watched(t, path)
	expect(t, out, "v1", "")
	do(t, os.Symlink("v2", filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	expect(t, out, "v2", "")
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	do(t, unix.Mkfifo(pipe, 0o600), os.WriteFile(large, nil, 0o600), os.Truncate(large, sandbox.MaxModuleSize+1))
	for path, want := range map[string]string{dir: "is not a file", pipe: "is not a file", large: "the limit is 16777216", dir + "/none": "no such file"} {
		if r := readFile(path); r.err == nil || !strings.Contains(r.err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, r.err, want)
		}
	}
}
