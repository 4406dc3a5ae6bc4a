// Node-init is the first process of a node: it makes what it sees of the machine the
// node's own, then starts containerd, imports images and starts the other services. It
// runs for as long as the node does, and reaps what nobody waits for.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/cluster/node"
)

// entered is the second argument of the program when it has entered its cgroups.
const entered = "entered"

func main() {
	runtime.LockOSThread() // namespaces are the thread's
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "node-init:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var s node.Setup
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if len(os.Args) == 2 {
		return enterCgroups(s)
	}
	if err := prepare(s); err != nil {
		return err
	}
	return serve(s)
}

// enterCgroups moves the process and makes where it is the root of what it sees. All
// threads must see the same: so the program starts again.
func enterCgroups(s node.Setup) error {
	for _, dir := range s.Cgroups {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("a cgroup namespace: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, append(os.Args, entered), os.Environ())
}

// serve starts everything, and returns only if something of it cannot start.
func serve(s node.Setup) error {
	if _, err := start(s, s.Runtime); err != nil {
		return err
	}
	deadline := time.Now().Add(2 * time.Minute)
	for complete(s, s.Probe) != nil {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer", s.Runtime[0])
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, file := range s.Images {
		if err := complete(s, append(s.Import[:len(s.Import):len(s.Import)], file)); err != nil {
			return err
		}
	}
	for _, command := range s.Services {
		if _, err := start(s, command); err != nil {
			return err
		}
	}
	for {
		if _, _, err := reap(); err != nil {
			return err
		}
	}
}

// start starts a command that logs under its name.
func start(s node.Setup, command []string) (pid int, err error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return 0, err
	}
	name := filepath.Base(command[0])
	log, err := os.OpenFile(filepath.Join(s.Logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	pid, err = syscall.ForkExec(path, command, &syscall.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []uintptr{0, log.Fd(), log.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", name, err)
	}
	return pid, nil
}

// complete runs a command to its end.
func complete(s node.Setup, command []string) error {
	pid, err := start(s, command)
	if err != nil {
		return err
	}
	for {
		ended, status, err := reap()
		switch {
		case err != nil:
			return err
		case ended == pid && status.ExitStatus() != 0:
			return fmt.Errorf("%v ended with %d; see the logs in %s", command, status.ExitStatus(), s.Logs)
		case ended == pid:
			return nil
		}
	}
}

// reap waits until some child ends: this process inherits all that lost their parents.
func reap() (pid int, status unix.WaitStatus, err error) {
	for {
		pid, err = unix.Wait4(-1, &status, 0, nil)
		if err != unix.EINTR {
			return pid, status, err
		}
	}
}
