package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// peakMemory is the most that a process had resident, in bytes (getrusage's figure
// is that of the parent too); residentMemory what it has now.
func peakMemory(pid int) (float64, error)     { return memory(pid, "VmHWM") }
func residentMemory(pid int) (float64, error) { return memory(pid, "VmRSS") }

func resident(tb testing.TB, pid int) float64 {
	tb.Helper()
	bytes, err := residentMemory(pid)
	if err != nil {
		tb.Fatal(err)
	}
	return bytes
}

// memory reads a line of /proc/PID/status (proc(5)), in bytes.
func memory(pid int, field string) (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, field+":"); is {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, field)
}
