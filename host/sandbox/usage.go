package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process takes from the machine.
type Usage struct {
	RSS int64         // bytes resident
	CPU time.Duration // processor time since its start, of all its threads
}

// Usage reads it from /proc. A process that has ended uses nothing, and is an
// error.
func (p *Process) Usage() (Usage, error) {
	dir := "/proc/" + strconv.Itoa(p.PID())
	select {
	case <-p.done: // the number may be another process's by now
		return Usage{}, os.ErrProcessDone
	default:
	}
	statm, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return Usage{}, fmt.Errorf("reading the memory of sandbox %d: %w", p.PID(), err)
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Usage{}, fmt.Errorf("reading the processor time of sandbox %d: %w", p.PID(), err)
	}
	memory := strings.Fields(string(statm))
	// proc_pid_stat(5): the second field is a name in parentheses that may hold
	// anything; utime and stime are the 14th and 15th.
	_, rest, _ := strings.Cut(string(stat), ") ")
	times := strings.Fields(rest)
	if len(memory) < 2 || len(times) < 13 {
		return Usage{}, fmt.Errorf("reading /proc of sandbox %d: unexpected form", p.PID())
	}
	pages, err1 := strconv.ParseInt(memory[1], 10, 64)
	user, err2 := strconv.ParseInt(times[11], 10, 64)
	system, err3 := strconv.ParseInt(times[12], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return Usage{}, fmt.Errorf("reading /proc of sandbox %d: not a number", p.PID())
	}
	const tick = time.Second / 100 // USER_HZ, the same on every architecture that Go runs on
	return Usage{RSS: pages * int64(os.Getpagesize()), CPU: time.Duration(user+system) * tick}, nil
}
