package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/sandbox"
)

// confine takes from the process everything it will not need. As root each step
// must work, or there is an error; without root the steps that need it are left
// out and named in the report.
func confine(limits sandbox.Limits) (sandbox.Confinement, error) {
	var c sandbox.Confinement
	c.NetNS, _ = os.Readlink("/proc/self/ns/net")
	c.PIDNS, _ = os.Readlink("/proc/self/ns/pid")
	if err := closeOthers(); err != nil {
		return c, fmt.Errorf("closing inherited files: %w", err)
	}
	if err := limitResources(limits); err != nil {
		return c, err
	}
	if os.Geteuid() == 0 {
		if err := leaveFiles(); err != nil {
			return c, fmt.Errorf("changing to an empty root directory: %w", err)
		}
		c.EmptyRoot = true
		if err := dropPrivileges(limits); err != nil {
			return c, err
		}
	} else {
		c.Missing = append(c.Missing, fmt.Sprintf(
			"started by uid %d, not by root: no empty root directory, no change of user, no namespaces", os.Geteuid()))
	}
	if err := dieWithAgent(); err != nil {
		return c, err
	}
	if err := filterSystemCalls(); err != nil {
		return c, err
	}
	return c, describe(&c)
}

// closeOthers closes what the child inherited besides the standard streams and
// its socket. The Go runtime's poller is the child's own.
func closeOthers() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd <= sandbox.ChildFD {
			continue
		}
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") {
			continue // gone already (it was the directory's own), or the poller
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// limitResources bounds what the process may take from the machine.
//
// RLIMIT_DATA counts what the process can write, and is the limit that a
// compile bomb, a growing table or a deep stack runs into. RLIMIT_AS counts
// reservations as well, of which the Go runtime has many at its start, so it is
// put a fixed distance above them. Neither is an error of the module that Go can
// report to it: the runtime ends the process, which is what is wanted.
//
// RLIMIT_NPROC is not set: it counts the threads of the user in the whole
// machine, Pods that run as nobody included, and would make a sandbox fail for
// what its neighbours do. The system call filter allows threads and no
// processes.
func limitResources(limits sandbox.Limits) error {
	budget := uint64(limits.MemoryMiB+limits.EngineMiB) << 20
	size, err := addressSpace()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, 0},
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 16},
		{"RLIMIT_STACK", unix.RLIMIT_STACK, 8 << 20},
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, 0},
		{"RLIMIT_DATA", unix.RLIMIT_DATA, budget},
		{"RLIMIT_AS", unix.RLIMIT_AS, size + 2*budget},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("setting %s to %d: %w", l.name, l.value, err)
		}
	}
	// Collect garbage hard rather than run into the limit.
	debug.SetMemoryLimit(int64(limits.EngineMiB) << 20 * 3 / 4)
	return nil
}

// addressSpace returns the size in bytes of the process's address space.
func addressSpace() (uint64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("reading the size of the process: %w", err)
	}
	first, _, _ := strings.Cut(string(statm), " ")
	pages, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading the size of the process: %w", err)
	}
	return pages * uint64(os.Getpagesize()), nil
}

// leaveFiles makes a directory without a name the root directory: nothing is in
// it and nothing can be made in it. It needs no place to clean up later.
func leaveFiles() error {
	dir, err := someDirectory()
	if err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	if err := os.Remove(dir); err != nil {
		return err
	}
	return unix.Chroot(".")
}

// someDirectory makes a directory where the machine lets it; a container image
// may have no /tmp.
func someDirectory() (string, error) {
	var all error
	for _, parent := range []string{"/tmp", "/run", "/dev/shm", "/"} {
		dir, err := os.MkdirTemp(parent, "sluice-sandbox-")
		if err == nil {
			return dir, nil
		}
		all = errors.Join(all, err)
	}
	return "", all
}

// dropPrivileges changes user and group and gives up every capability, on all
// threads. The functions of package syscall do that for ids; the program must be
// built without cgo for the rest.
func dropPrivileges(limits sandbox.Limits) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := onAllThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("dropping capability %d from the bounding set: %w", c, err)
		}
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("giving up supplementary groups: %w", err)
	}
	if err := syscall.Setresgid(limits.GID, limits.GID, limits.GID); err != nil {
		return fmt.Errorf("changing to group %d: %w", limits.GID, err)
	}
	if err := syscall.Setresuid(limits.UID, limits.UID, limits.UID); err != nil {
		return fmt.Errorf("changing to user %d: %w", limits.UID, err)
	}
	return nil
}

// dieWithAgent asks for SIGKILL when the agent's thread that started this
// process ends. A change of user clears that request, so it comes after.
func dieWithAgent() error {
	if err := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL)); err != nil {
		return fmt.Errorf("asking to die with the agent: %w", err)
	}
	if err := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0); err != nil {
		return fmt.Errorf("forbidding inspection by other processes: %w", err)
	}
	if err := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	return nil
}

func onAllThreads(call, a1, a2 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(call, a1, a2, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return errors.New("sluice-sandbox was built with cgo, which hides its threads: build it with CGO_ENABLED=0")
	}
	return errno
}

// describe reads back what was achieved.
func describe(c *sandbox.Confinement) error {
	c.UID, c.GID = os.Getuid(), os.Getgid()
	groups, err := os.Getgroups()
	if err != nil {
		return fmt.Errorf("reading the groups: %w", err)
	}
	c.Groups = len(groups)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("reading the capabilities: %w", err)
	}
	c.Capabilities = uint64(sets[0].Permitted) | uint64(sets[1].Permitted)<<32
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("reading no_new_privs: %w", err)
	}
	c.NoNewPrivs = nnp == 1
	if c.Seccomp, err = unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("reading the mode of seccomp: %w", err)
	}
	runtime.GC() // what starting took is not the module's
	return nil
}

// cpuPerBatch is how many seconds of processor time one call may take when
// nobody stops it. It is a back-stop for the case that the agent cannot.
const cpuPerBatch = 60

// extendCPU moves the limit of processor time ahead of what was used so far.
func extendCPU() {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return
	}
	seconds := uint64(used.Utime.Sec + used.Stime.Sec + cpuPerBatch)
	_ = unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: seconds, Max: unix.RLIM_INFINITY})
}
