// Guest is the first process of the machine that tests/kernel boots: it mounts,
// loads the modules, runs its errands, says how they ended and turns the machine off.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/kernel/errand"
)

// settled is how long after boot Open vSwitch may be started. Earlier starts have
// been seen to get no handler threads.
const settled = 12 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	} else {
		fmt.Println(errand.EndMark)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	if err := mount(); err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	errands, err := errand.Read()
	if err != nil {
		return err
	}
	for uptime() < settled {
		time.Sleep(100 * time.Millisecond) // nothing announces it
	}
	for _, e := range errands {
		begin := time.Now()
		code := do(e)
		said, err := json.Marshal(errand.Result{Name: e.Name, Code: code, Seconds: time.Since(begin).Seconds()})
		if err != nil {
			return err
		}
		fmt.Println(errand.ResultMark + string(said))
	}
	return nil
}

func mount() error {
	for _, m := range [][2]string{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m[1], err)
		}
	}
	for _, dir := range []string{"/run/netns", "/run/openvswitch", "/dev/net", "/dev/shm"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Symlink("/run", "/var/run")
}

// do runs one program and returns its exit code.
func do(e errand.Errand) int {
	ctx, cancel := context.WithTimeout(context.Background(), e.Limit)
	defer cancel()
	command := exec.CommandContext(ctx, e.Args[0], e.Args[1:]...)
	command.Dir = e.Dir
	command.Env = []string{"PATH=/usr/bin", "HOME=/root", "SLUICE_BIN=/work/bin", "SLUICE_EMULATED=1", "LANG=C.UTF-8"}
	command.Stdout, command.Stderr = os.Stdout, os.Stdout
	// What it leaves running goes with it, and its output does not keep this waiting.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return unix.Kill(-command.Process.Pid, unix.SIGKILL) }
	command.WaitDelay = 10 * time.Second
	err := command.Run()
	if ctx.Err() != nil {
		fmt.Printf("guest: %s was ended after %v\n", e.Name, e.Limit)
	}
	if command.ProcessState == nil {
		fmt.Println("guest:", err)
		return 125
	}
	return command.ProcessState.ExitCode()
}

func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko*")
	if err != nil {
		return err
	}
	sort.Strings(files)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && err != unix.EEXIST {
			// A module for a device that this machine does not have is no loss.
			fmt.Printf("guest: module %s: %v\n", strings.TrimPrefix(file, "/modules/"), err)
		}
	}
	return nil
}

func uptime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return settled
	}
	return time.Duration(now.Nano())
}
