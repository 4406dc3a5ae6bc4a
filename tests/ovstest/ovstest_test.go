package ovstest

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestInstancesAreIndependentAndEndByThemselves(t *testing.T) {
	var pids []int
	var dirs []string
	t.Run("two side by side", func(t *testing.T) {
		for range 2 {
			i := Start(t, Options{})
			i.AddBridge("br0")
			i.AddInternalPort("br0", "p1", 7)
			if got := i.OFCtl("br0", "dump-ports-desc"); !strings.Contains(got, "7(p1)") {
				t.Errorf("ports of br0: %s, want one 7(p1)", got)
			}
			pids = append(pids, i.SwitchdPID(), i.database.pid)
			dirs = append(dirs, i.Dir)
		}
	})
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("daemon %d is still there (%v)", pid, err)
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("directory %s is still there (%v)", dir, err)
		}
	}
}

func TestSwitchdRestartKeepsBridges(t *testing.T) {
	i := Start(t, Options{})
	i.AddBridge("br0")
	i.OFCtl("br0", "add-flow", "priority=5,actions=drop")
	before := i.SwitchdPID()
	i.KillSwitchd()
	i.StartSwitchd()
	i.AddBridge("br0")
	if i.SwitchdPID() == before {
		t.Errorf("the daemon is still process %d", before)
	}
	if got := i.OFCtl("br0", "dump-flows"); strings.Contains(got, "priority=5") {
		t.Errorf("flows outlived the daemon: %s", got)
	}
}

func TestGivenNamespaceIsUsed(t *testing.T) {
	i := Start(t, Options{NetNS: "/proc/self/ns/net"})
	got, err := os.Readlink("/proc/" + strconv.Itoa(i.SwitchdPID()) + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("ovs-vswitchd runs in %s, want %s", got, want)
	}
}
