// Guest is the first process of the machine that tests/kernel boots: it mounts,
// loads the modules, runs the tests, says how they ended and turns the machine off.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// settled is how long after boot Open vSwitch may be started. Earlier starts have
// been seen to get no handler threads.
const settled = 12 * time.Second

func main() {
	code, err := run()
	if err != nil {
		fmt.Println("guest:", err)
		code = 125
	}
	fmt.Printf("SLUICE-GUEST-EXIT %d\n", code)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() (code int, err error) {
	for _, m := range [][2]string{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return 0, fmt.Errorf("mounting %s: %w", m[1], err)
		}
	}
	for _, dir := range []string{"/run/netns", "/run/openvswitch", "/dev/net"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, err
		}
	}
	if err := loadModules(); err != nil {
		return 0, err
	}
	tests, err := os.ReadFile("/work/tests")
	if err != nil {
		return 0, err
	}
	for uptime() < settled {
		time.Sleep(100 * time.Millisecond) // nothing announces it
	}
	command := exec.Command("/work/lab/lab.test", "-test.v", "-test.timeout=38m", "-test.parallel=2", "-test.run", string(tests))
	command.Dir = "/work/lab"
	command.Env = []string{"PATH=/usr/bin", "HOME=/root", "SLUICE_BIN=/work/bin", "LANG=C.UTF-8"}
	command.Stdout, command.Stderr = os.Stdout, os.Stdout
	if err := command.Run(); command.ProcessState == nil {
		return 0, err
	}
	return command.ProcessState.ExitCode(), nil
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
