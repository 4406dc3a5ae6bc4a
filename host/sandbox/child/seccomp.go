package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// filterSystemCalls allows, on all threads, what the Go runtime needs to compute,
// to allocate, to start threads of this process and to speak on files that are
// already open. Every other system call kills the process: a module cannot make
// one, so one that is made comes from an engine that was broken out of.
func filterSystemCalls() error {
	known, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("filtering system calls: %w", err)
	}
	allowed := seccomp.SyscallGroup{Action: seccomp.ActionAllow}
	for _, name := range freely() {
		if _, exists := known.SyscallNames[name]; exists { // some exist on one architecture only
			allowed.Names = append(allowed.Names, name)
		}
	}
	allowed.NamesWithCondtions = narrowly()
	filter := seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy:     seccomp.Policy{DefaultAction: seccomp.ActionKillProcess, Syscalls: []seccomp.SyscallGroup{allowed}},
	}
	runtime.LockOSThread() // the filter goes from this thread to the others
	defer runtime.UnlockOSThread()
	if err := seccomp.LoadFilter(filter); err != nil {
		return fmt.Errorf("filtering system calls: %w", err)
	}
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil || mode != 2 {
		return errors.New("filtering system calls: the kernel did not put the filter on every thread")
	}
	return nil
}

// freely names system calls that are allowed whatever their arguments.
func freely() []string {
	return []string{
		"read", "write", "close",
		"mmap", "munmap", "mprotect", "madvise", "mincore",
		"futex", "sched_yield", "sched_getaffinity", "nanosleep", "clock_nanosleep", "clock_gettime", "gettimeofday",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
		"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2",
		"getpid", "gettid", "getuid", "getgid", "geteuid", "getegid", "getgroups", "capget",
		"getrandom", "getrusage", "exit", "exit_group",
	}
}

// narrowly names system calls that are allowed with certain arguments.
func narrowly() []seccomp.NameWithConditions {
	when := func(name string, argument uint32, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{
			Name:       name,
			Conditions: seccomp.ArgumentConditions{{Argument: argument, Operation: op, Value: value}},
		}
	}
	return []seccomp.NameWithConditions{
		when("clone", 0, seccomp.BitsSet, unix.CLONE_VM|unix.CLONE_THREAD|unix.CLONE_SIGHAND), // a thread, not a process
		when("tgkill", 0, seccomp.Equal, uint64(os.Getpid())),                                 // the runtime preempts its own threads
		when("prlimit64", 0, seccomp.Equal, 0),                                                // its own limits
		when("prctl", 0, seccomp.Equal, unix.PR_GET_NO_NEW_PRIVS),
		when("prctl", 0, seccomp.Equal, unix.PR_GET_SECCOMP),
	}
}
