package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cost is what some work took: of the clock, and of the processors, all threads
// of this process together. On a machine that others use too only the latter
// says something about the work.
type cost struct{ wall, cpu time.Duration }

func costOf(tb testing.TB, work func()) cost {
	tb.Helper()
	runtime.GC() // the garbage of what was before is not this work's
	cpu, wall := processorTime(tb), time.Now()
	work()
	return cost{time.Since(wall), processorTime(tb) - cpu}
}

// costOnOneCore is costOf with the collector of garbage on the same core as the
// work. Elsewhere it would take what is idle, whether that is of use or not.
func costOnOneCore(tb testing.TB, work func()) cost {
	tb.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return costOf(tb, work)
}

func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap is what is in use after a collection, in bytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// percentile of durations by nearest rank, in milliseconds.
func percentile(all []time.Duration, p float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	rank := int(p/100*float64(len(sorted)) + 0.999999)
	return millis(sorted[min(max(rank, 1), len(sorted))-1])
}
