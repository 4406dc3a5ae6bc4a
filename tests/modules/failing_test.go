package modules_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/tests/modules"
)

// failing lists every way of failing, with the reason that a person must get to
// read.
func failing(t *testing.T) map[string]struct {
	wasm   []byte
	reason string
} {
	type way = struct {
		wasm   []byte
		reason string
	}
	bare := func(name string) []byte {
		b, err := modules.Bare(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	with := func(b []byte) []byte {
		b, err := modules.With(b, modules.Manifest())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const (
		slow   = `did not finish handling the snapshot \(3 events, \d+ bytes\) within 250ms and was killed`
		memory = `used up the memory of its sandbox \(320 MiB\)`
	)
	ways := map[string]way{
		"not wasm":       {[]byte("#!/bin/sh\necho this is no module\n"), `is not a WebAssembly module: `},
		"empty":          {[]byte{}, `is not a WebAssembly module: `},
		"no manifest":    {bare("steady"), `has no custom section sluice\.manifest`},
		"cut in half":    {wasm(t, "steady")[:100], `is not a WebAssembly module: `},
		"memory bomb":    {with(modules.MemoryBomb()), memory + ` while loading`},
		"time bomb":      {with(modules.TimeBomb()), `did not finish loading within 1.5s and was killed|` + memory},
		"no code":        {with(withoutCode(t)), `is not a valid module: `},
		"over 16 MiB":    {with(append(bare("steady"), hugeSection()...)), `is 1\d{7} bytes long; the limit is 16777216`},
		"wrong abi":      {wrongABI(t), `manifest: abi: is 2, this host speaks 1`},
		"trap":           {nil, `trapped in sluice_handle: unreachable`},
		"loop":           {nil, slow},
		"recursion":      {nil, `stack overflow|` + memory + `|` + slow},
		"recursion-wide": {nil, slow},
		"memory-grow":    {nil, slow},
		"memory-huge":    {nil, `memory.*65536 pages.*over limit of 1024 pages`},
		// Where its address space ends, the Go runtime may find no place for a stack
		// either, and dies of that.
		"table-grow":       {nil, memory + `|` + slow + `|lost its process while handling a batch \(exit status 2\): SIGSEGV`},
		"table-huge":       {nil, memory + `|table`},
		"flood":            {nil, `emitted more than 1000000 requests in one transaction|` + slow},
		"patter":           {nil, slow + `|emitted more than 1000000 requests`},
		"chatter":          {nil, slow + `|wrote more than 100000 log lines`},
		"garbage":          {nil, `emitted what was refused.*abi: .* at offset \d+`},
		"too-large":        {nil, `emitted what was refused.*1048577 bytes.*1048576`},
		"outside":          {nil, `trapped in sluice_handle: sluice\.emit was given requests that are not inside the module's memory`},
		"forbidden-import": {nil, `imports wasi_snapshot_preview1\.path_open, which is not granted`},
		"unknown-import":   {nil, `imports "system" from "env", which does not exist`},
		"no-marker":        {nil, `exports no function sluice_abi_v1`},
		"no-memory":        {nil, `exports no memory`},
		"wrong-type":       {nil, `exports sluice_handle with a wrong type`},
		"returns-error":    {nil, `sluice_handle returned 7`},
		"gives-up":         {nil, `gave a batch up \(sluice_handle returned 1\)`},
		"start-loop":       {nil, `did not finish loading within 1.5s and was killed`},
		"start-emit":       {nil, `trapped in its start: .*sluice\.emit was called outside sluice_handle`},
		"data-outside":     {nil, `trapped in its start: .*out of bounds memory access`},
		"exit":             {nil, `ended itself with proc_exit\(3\) in sluice_handle`},
	}
	behave := []string{"steady", "other", "good-then-trap", "good-then-loop", "good-then-gives-up"}
	names, err := modules.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		w, listed := ways[name]
		if !listed {
			if !slices.Contains(behave, name) {
				t.Errorf("%s.wat has no test", name)
			}
			continue
		}
		w.wasm = wasm(t, name)
		ways[name] = w
	}
	return ways
}

// withoutCode is a module whose functions have no bodies.
func withoutCode(t *testing.T) []byte {
	b, err := modules.Bare("wrong-type")
	if err != nil {
		t.Fatal(err)
	}
	// The code section is the last one of the file: id 10.
	return b[:bytes.LastIndexByte(b, 10)]
}

func hugeSection() []byte {
	const size = 16 << 20
	return append([]byte{0, 0x80, 0x80, 0x80, 0x08}, make([]byte, size)...)
}

func wrongABI(t *testing.T) []byte {
	b, err := modules.Bare("steady")
	if err != nil {
		t.Fatal(err)
	}
	m := modules.Manifest()
	m.ABI = 2
	if b, err = modules.With(b, m); err != nil {
		t.Fatal(err)
	}
	return b
}

// A module that fails, loaded beside one that works, changes nothing: not what
// is in force, not the process that works. The supervisor answers all the while
// and says what was wrong with which generation.
func TestFailingBesideRunning(t *testing.T) {
	for name, way := range failing(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, quick(), wasm(t, "steady"))
			if err := h.settle(t); err != nil {
				t.Fatal(err)
			}
			before := h.status()
			if got := h.rules(); !slices.Equal(got, []string{"first"}) {
				t.Fatalf("the rules in force are %q", got)
			}

			h.write(t, way.wasm)
			line := regexp.MustCompile(fmt.Sprintf(`^module %q generation 2: .*(%s)`, module, way.reason))
			h.until(t, "the failure of generation 2", func(s plugin.Status) bool { return s.LastError != "" })
			h.until(t, "the end of tries", func(s plugin.Status) bool { return h.settle(t) == nil })

			after := h.status()
			if !line.MatchString(after.LastError) {
				t.Errorf("the error is %q\nand should match %s", after.LastError, line)
			}
			if after.State != plugin.Running || after.Generation != 1 || after.PID != before.PID {
				t.Errorf("the running generation was touched: %+v", after)
			}
			if n := len(h.commits()); n != 1 {
				t.Errorf("%d transactions were committed instead of 1", n)
			}
			if got := h.sandboxes(t); !slices.Equal(got, []string{strconv.Itoa(before.PID)}) {
				t.Errorf("the sandboxes are %v, and should be the one of generation 1, %d", got, before.PID)
			}
			h.Deliver([]abi.Event{pod("a", 2)})
			if err := h.settle(t); err != nil {
				t.Error(err)
			}
			if got := h.rules(); !slices.Equal(got, []string{"first"}) || len(h.commits()) != 2 {
				t.Errorf("generation 1 no longer works: the rules in force are %q after %d commits", got, len(h.commits()))
			}
		})
	}
}

// A module whose first generation fails puts nothing in force and says so.
func TestFailingFirst(t *testing.T) {
	for name, way := range failing(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, quick(), way.wasm)
			s := h.until(t, "the failure", func(s plugin.Status) bool { return s.LastError != "" })
			line := regexp.MustCompile(fmt.Sprintf(`^module %q generation 1: .*(%s)`, module, way.reason))
			if !line.MatchString(s.LastError) {
				t.Errorf("the error is %q\nand should match %s", s.LastError, line)
			}
			if s.Generation != 0 || len(h.commits()) != 0 || len(h.rules()) != 0 {
				t.Errorf("something is in force: %+v, %q", s, h.rules())
			}
			h.until(t, "the state", func(s plugin.Status) bool { return s.State == plugin.Failed || s.State == plugin.Restarting })
			// And a good file ends it.
			h.write(t, wasm(t, "steady"))
			h.until(t, "a good generation", func(s plugin.Status) bool { return s.State == plugin.Running && s.LastError == "" })
			if got := h.rules(); !slices.Equal(got, []string{"first"}) {
				t.Errorf("the rules in force are %q", got)
			}
		})
	}
}
