package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// The tests of this file run again in a process with a network namespace of its
// own, where nobody else makes devices, and look at everything that a lab could
// leave behind.
const inPrivate = "SLUICE_TEST_PRIVATE_NETNS"

// private reports whether the test runs in such a process; if not, it runs it
// there.
func private(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inPrivate) != "" {
		return true
	}
	labtest.Programs(t, true)
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), inPrivate+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("in a network namespace of its own: %v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	return false
}

// traces are what there is of labs in this process: devices of its network
// namespace, processes whose parent it is, and, of the directory, files and
// mounts.
func traces(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	devices, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, device := range devices {
		if device.Name != "lo" {
			found = append(found, "device "+device.Name)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			found = append(found, "mount "+strings.TrimSpace(line))
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	found = append(found, files...)
	return append(found, processes(t, dir)...)
}

// processes are the children of this process, and everything whose command line
// names the directory.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range stats {
		content, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		after := string(content)[strings.LastIndexByte(string(content), ')')+1:]
		parent := strings.Fields(after)[1]
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		if parent == fmt.Sprint(os.Getpid()) || strings.Contains(string(line), dir) {
			found = append(found, "process "+filepath.Base(filepath.Dir(stat))+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// shortDir is a directory of the test's own with a short path.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "left-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	return dir
}

func checkNothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left := traces(t, dir); len(left) > 0 {
		t.Errorf("left behind:\n  %s", strings.Join(left, "\n  "))
	}
}

// modes are the lab with and without Sluice.
var modes = map[string]bool{"sluice": false, "primary CNI alone": true}

func TestNothingIsLeftBehind(t *testing.T) {
	if !private(t) {
		return
	}
	for name, policyFree := range modes {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: policyFree, Dir: dir})
			running := traces(t, dir)
			for _, want := range []string{"mount ", dir} {
				if !slices.ContainsFunc(running, func(s string) bool { return strings.HasPrefix(s, want) }) {
					t.Errorf("the test sees no %q of a running lab, so it would not see a leftover: %q", want, running)
				}
			}
			stream, err := l.UDPStream(lab.StreamSpec{From: "shop/b", To: "shop/c"})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Stop()
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Errorf("closed again: %v", err)
			}
			checkNothingLeft(t, dir)
		})
	}
}

// A lab that is cancelled while it is built takes down what there is of it. The
// moments are spread over the time that building takes.
func TestNothingIsLeftAfterCancel(t *testing.T) {
	if !private(t) {
		return
	}
	for name, policyFree := range modes {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			options := lab.Options{
				Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: policyFree, Dir: dir,
				Binaries: labtest.Programs(t, policyFree),
			}
			begin := time.Now()
			l, err := lab.Start(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			whole := time.Since(begin)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			cancelled := 0
			for i := range 8 {
				ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i)/8)
				l, err := lab.Start(ctx, options)
				cancel()
				switch {
				case err == nil:
					if err := l.Close(); err != nil { // it was quicker this time
						t.Error(err)
					}
				case !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("cancelled after %d/8 of the time: %v", i, err)
				default:
					cancelled++
				}
				checkNothingLeft(t, dir)
			}
			if cancelled == 0 {
				t.Error("no lab was cancelled in time: the test has shown nothing")
			}
			t.Logf("built in %v, cancelled %d times", whole.Round(time.Millisecond), cancelled)
		})
	}
}

// A lab whose process is killed leaves no process behind, and the next lab
// removes its directory.
func TestKilledLabIsSweptUp(t *testing.T) {
	if os.Getenv(inPrivate) == "victim" {
		options := lab.Options{
			Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, Dir: os.Getenv("SLUICE_TEST_DIR"),
			PolicyFree: os.Getenv("SLUICE_TEST_FREE") != "", Binaries: labtest.Programs(t, os.Getenv("SLUICE_TEST_FREE") != ""),
		}
		l, err := lab.Start(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("built", l.Dir())
		time.Sleep(time.Minute) // until it is killed
		t.Fatal("nobody killed this process")
	}
	for name, policyFree := range modes {
		t.Run(name, func(t *testing.T) {
			labtest.Programs(t, policyFree)
			dir := shortDir(t)
			victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledLabIsSweptUp$", "-test.v")
			// What it makes for itself, it has no time to remove.
			victim.Env = append(os.Environ(), inPrivate+"=victim", "SLUICE_TEST_DIR="+dir, "TMPDIR="+t.TempDir())
			if policyFree {
				victim.Env = append(victim.Env, "SLUICE_TEST_FREE=1")
			}
			victim.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
			var built atomic.Bool
			victim.Stdout = writerFunc(func(text []byte) {
				if strings.Contains(string(text), "built "+dir) {
					built.Store(true)
					_ = victim.Process.Kill()
				}
			})
			if err := victim.Run(); err == nil || !built.Load() {
				t.Fatalf("the lab to be killed was not built: %v", err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for left := processes(t, dir); len(left) > 0; left = processes(t, dir) {
				if time.Now().After(deadline) {
					t.Fatalf("processes outlive the lab that was killed: %q", left)
				}
				time.Sleep(20 * time.Millisecond) // somebody else's children cannot be waited for
			}
			remains, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(remains) != 1 {
				t.Fatalf("the killed lab left %q (%v), want its directory", remains, err)
			}
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(remains[0], old, old); err != nil {
				t.Fatal(err)
			}
			l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: true, Dir: dir})
			if _, err := os.Stat(remains[0]); !os.IsNotExist(err) {
				t.Errorf("the next lab leaves %s where it was: %v", remains[0], err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(text []byte) (int, error) {
	f(text)
	return len(text), nil
}
