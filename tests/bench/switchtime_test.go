package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/ovsdb"
)

// switchTime is the processor time that the switches of all nodes have used so far.
// Behind the userspace datapath that is what packets cost; unlike a rate it does
// not depend on what else the machine does. Without Sluice it is zero.
func switchTime(tb testing.TB, l *lab.Lab) (used time.Duration) {
	tb.Helper()
	for _, node := range l.Plan().Nodes {
		ovs := l.OVS(node.Name)
		if ovs == nil {
			continue
		}
		pid, err := os.ReadFile(filepath.Join(ovs.Dir(), "ovs-vswitchd.pid"))
		if err != nil {
			tb.Fatal(err)
		}
		threads, err := filepath.Glob(filepath.Join("/proc", strings.TrimSpace(string(pid)), "task", "*", "schedstat"))
		if err != nil || len(threads) == 0 {
			tb.Fatalf("ovs-vswitchd of %s has no threads (%v)", node.Name, err)
		}
		for _, file := range threads {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // a thread that has ended
			}
			var ran time.Duration // the first number: on a processor, in ns (Documentation/scheduler/sched-stats.rst)
			if _, err := fmt.Sscan(string(text), &ran); err != nil {
				tb.Fatal(err)
			}
			used += ran
		}
	}
	return used
}

func kernelDatapath() bool {
	there, err := ovsdb.KernelDatapath()
	return there && err == nil
}
