package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has taken of the machine, by proc(5).
type Usage struct {
	CPU      time.Duration // of all its threads, since it started
	RSS      float64       // bytes resident now
	PeakRSS  float64       // bytes
	ReadIn   float64       // bytes that it got by read(2) and the like, sockets included
	WroteOut float64       // bytes
}

// ticks is USER_HZ, in which proc(5) counts, on every architecture that Go knows.
const ticks = 100

// UsageOf reads the usage of a process that runs.
func UsageOf(pid int) (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The name, in parentheses, may hold anything. utime and stime are the 14th and 15th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, err
		}
		u.CPU += time.Duration(n) * time.Second / ticks
	}
	for _, from := range []struct {
		file string
		unit float64
		into map[string]*float64
	}{
		{"status", 1 << 10, map[string]*float64{"VmRSS": &u.RSS, "VmHWM": &u.PeakRSS}},
		{"io", 1, map[string]*float64{"rchar": &u.ReadIn, "wchar": &u.WroteOut}},
	} {
		if err := read(fmt.Sprintf("/proc/%d/%s", pid, from.file), from.unit, from.into); err != nil {
			return u, err
		}
	}
	return u, nil
}

// read reads lines of the form "name: number".
func read(file string, unit float64, into map[string]*float64) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if at, wanted := into[name]; wanted {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			*at = n * unit
		}
	}
	return nil
}
