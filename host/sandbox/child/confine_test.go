package child

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/sandbox"
)

// attempt, in the environment, makes this test binary a process that confines
// itself and then tries something.
const attempt = "SLUICE_TEST_ATTEMPT"

// attempts lists what is tried, and how the process must end: by SIGSYS, or by
// itself with exit code 0 when the thing is allowed.
func attempts() map[string]struct {
	try    func() error
	killed bool
} {
	type one = struct {
		try    func() error
		killed bool
	}
	return map[string]one{
		"socket":   {func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); return err }, true},
		"unix":     {func() error { _, err := net.Dial("unix", "/run/x"); return err }, true},
		"open":     {func() error { _, err := os.Open("/"); return err }, true},
		"exec":     {func() error { return unix.Exec("/bin/sh", nil, nil) }, true},
		"fork":     {func() error { _, _, e := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0); return e }, true},
		"ptrace":   {func() error { return unix.PtraceAttach(1) }, true},
		"mount":    {func() error { return unix.Mount("none", "/", "tmpfs", 0, "") }, true},
		"setuid":   {func() error { return unix.Setuid(0) }, true},
		"kill":     {func() error { return unix.Kill(1, 0) }, true},
		"limits":   {func() error { return unix.Prlimit(os.Getppid()+1, unix.RLIMIT_CORE, nil, nil) }, true},
		"dumpable": {func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }, true},
		"other thread": {func() error {
			done := make(chan error)
			for range 8 { // more than there were threads: new ones are confined, too
				go func() {
					runtime.LockOSThread()
					_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
					done <- err
				}()
			}
			return <-done
		}, true},
		"nothing": {func() error { return nil }, false},
		"work": {func() error {
			done := make(chan int)
			for range 50 {
				go func() {
					b := make([]byte, 1<<20)
					runtime.GC()
					done <- len(b)
				}()
			}
			for range 50 {
				<-done
			}
			return nil
		}, false},
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(attempt)
	if name == "" {
		os.Exit(m.Run())
	}
	if _, err := confine(sandbox.Limits{}.WithDefaults()); err != nil {
		fmt.Println("confining:", err)
		os.Exit(10)
	}
	if err := attempts()[name].try(); err != nil {
		os.Exit(11)
	}
	os.Exit(0)
}

// What the module's process must not do ends it.
func TestForbidden(t *testing.T) {
	// As the real program, this one has no cgo; under the race detector the test
	// binary has.
	program := filepath.Join(t.TempDir(), "child.test")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, a := range attempts() {
		t.Run(name, func(t *testing.T) {
			c := exec.Command(program)
			c.Env = []string{attempt + "=" + name, "GOTRACEBACK=none", "GOMAXPROCS=2"}
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			killed := exit != nil && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS
			if killed != a.killed || !killed && err != nil {
				t.Errorf("it ended with %v\n%s", err, out)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	for report, want := range map[string]string{
		"wasm error: unreachable\nwasm stack trace:\n\t.$1()\n\t.sluice_handle(i32) i32": "unreachable, in $1 called by sluice_handle",
		"boom (recovered by wazero)\nwasm stack trace:\n\tsluice.emit(i32,i32) i32":      "boom, in sluice.emit",
		"plain":      "plain",
		"two\nlines": "two",
	} {
		if got := oneLine(report); got != want {
			t.Errorf("oneLine(%q) is %q and should be %q", report, got, want)
		}
	}
}

func TestLogWriter(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	w := &logWriter{link: &link{fd: fds[0]}, level: 2}
	long := make([]byte, maxLine+10)
	for i := range long {
		long[i] = 'x'
	}
	for _, part := range []string{"one\ntw", "o\n", string(long), "\nend"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	unix.Close(fds[0])
	reader := &link{fd: fds[1]}
	for _, want := range []string{"one", "two", string(long[:maxLine]), string(long[:10])} {
		payload, err := reader.expect(sandbox.FrameLog)
		if err != nil || string(payload) != "\x02"+want {
			t.Fatalf("a line %q, %v; want %q", payload, err, want)
		}
	}
}
