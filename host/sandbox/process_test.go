package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/sandbox"
	"github.com/sluice-net/sluice/tests/modules"
)

// program is the real sandbox, built once.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sluice-sandboxtest-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "sluice-sandbox")
		build := exec.Command("go", "build", "-o", program, "github.com/sluice-net/sluice/host/cmd/sluice-sandbox")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building sluice-sandbox: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

func launcher(t *testing.T) *sandbox.Launcher {
	l := sandbox.NewLauncher()
	t.Cleanup(l.Close)
	return l
}

func load(t *testing.T, name string) *sandbox.Process {
	t.Helper()
	p, err := launcher(t).Start(t.Context(), sandbox.Options{Path: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	wasm, err := modules.Bare(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(wasm, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	return p
}

func accept([]byte, int) (abi.EmitError, error) { return abi.OK, nil }

// What the kernel says of every thread of the child, and what the child says of
// itself.
func TestConfinement(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: without it the sandbox has no namespaces and keeps its user")
	}
	p := load(t, "steady")
	c := p.Confinement()
	if c.UID != 65534 || c.GID != 65534 || c.Groups != 0 || c.Capabilities != 0 || !c.NoNewPrivs || c.Seccomp != 2 || !c.EmptyRoot || len(c.Missing) != 0 {
		t.Errorf("the child reports %+v", c)
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.PID()))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("threads of the child: %v, %v", tasks, err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`Uid:\t65534\t65534\t65534\t65534`, `Gid:\t65534\t65534\t65534\t65534`, `Groups:\t *`,
			`CapInh:\t0+`, `CapPrm:\t0+`, `CapEff:\t0+`, `CapBnd:\t0+`, `CapAmb:\t0+`,
			`NoNewPrivs:\t1`, `Seccomp:\t2`, `NSpid:\t\d+\t1\d*|NSpid:\t\d+\t\d+`,
		} {
			if !regexp.MustCompile(`(?m)^(` + want + `)$`).Match(status) {
				t.Errorf("%s has no line %s", task, want)
			}
		}
	}
	proc := fmt.Sprintf("/proc/%d/", p.PID())
	for _, ns := range []string{"net", "ipc", "uts", "mnt", "pid"} {
		own, err1 := os.Readlink("/proc/self/ns/" + ns)
		theirs, err2 := os.Readlink(proc + "ns/" + ns)
		if err1 != nil || err2 != nil || own == theirs {
			t.Errorf("namespace %s: agent %s, child %s (%v, %v)", ns, own, theirs, err1, err2)
		}
	}
	if root, err := os.Readlink(proc + "root"); err != nil || !strings.HasSuffix(root, " (deleted)") {
		t.Errorf("the root directory is %q, %v", root, err)
	}
	if entries, err := os.ReadDir(proc + "root"); len(entries) != 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the root directory has %v, %v", entries, err)
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, _ := os.Readlink(proc + "fd/" + fd.Name())
		if !regexp.MustCompile(`^(/dev/null|pipe:|socket:|anon_inode:\[event(poll|fd)\])`).MatchString(target) {
			t.Errorf("file %s is %s", fd.Name(), target)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`Max file size +0 +0 `, `Max core file size +0 +0 `, `Max open files +16 +16 `, `Max data size +335544320 +335544320 `, `Max address space +\d+ +\d+ `, `Max cpu time +\d+ `} {
		if !regexp.MustCompile(`(?m)^` + want).Match(limits) {
			t.Errorf("the limits have no line %s:\n%s", want, limits)
		}
	}
	if code, err := p.Handle(nil, 5*time.Second, accept); code != 0 || err != nil {
		t.Errorf("a batch in the sandbox: %d, %v", code, err)
	}
}

// A deadline is kept, and the process is gone when Handle returns.
func TestDeadline(t *testing.T) {
	p := load(t, "loop")
	const timeout = 200 * time.Millisecond
	start := time.Now()
	_, err := p.Handle(nil, timeout, accept)
	took := time.Since(start)
	var f *sandbox.Failure
	if !errors.As(err, &f) || f.Kind != sandbox.FaultDeadline {
		t.Errorf("the error is %v", err)
	}
	t.Logf("killed and reaped %v after the deadline", took-timeout)
	if took > timeout+2*time.Second {
		t.Errorf("a deadline of %v took %v", timeout, took)
	}
	gone(t, p)
}

func gone(t *testing.T, p *sandbox.Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatalf("process %d has not ended", p.PID())
	}
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID())); err == nil && strings.HasPrefix(string(comm), "sluice-sandbox") {
		t.Errorf("process %d is still there", p.PID())
	}
}

func TestEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := launcher(t).Start(ctx, sandbox.Options{Path: program})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	gone(t, p)
}

// A child whose agent's thread ends is killed by the kernel.
func TestEndsWithLauncher(t *testing.T) {
	l := sandbox.NewLauncher()
	p, err := l.Start(t.Context(), sandbox.Options{Path: program})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	gone(t, p)
}

func TestNothingLeft(t *testing.T) {
	l := sandbox.NewLauncher()
	wasm, err := modules.Bare("steady")
	if err != nil {
		t.Fatal(err)
	}
	round := func() {
		p, err := l.Start(t.Context(), sandbox.Options{Path: program})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Kill()
		if err := p.Load(wasm, 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	round() // what the runtime opens once
	before := files(t)
	for range 10 {
		round()
	}
	if after := files(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
	l.Close()
	for _, parent := range []string{"/tmp", "/run", "/dev/shm", "/"} {
		if left, _ := filepath.Glob(filepath.Join(parent, "sluice-sandbox-[0-9]*")); len(left) > 0 {
			t.Errorf("directories are left: %v", left)
		}
	}
}

func files(t *testing.T) int {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestUsage(t *testing.T) {
	p := load(t, "steady")
	u, err := p.Usage()
	if err != nil || u.RSS < 1<<20 || u.RSS > 200<<20 {
		t.Errorf("usage is %+v, %v", u, err)
	}
	t.Logf("a small module takes %d KiB", u.RSS>>10)
	p.Kill()
	if _, err := p.Usage(); err == nil {
		t.Error("a process that has ended has a usage")
	}
}

// The program by itself does nothing.
func TestProgramAlone(t *testing.T) {
	out, err := exec.Command(program).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "is started by sluice-agent") {
		t.Errorf("%v: %s", err, out)
	}
}
