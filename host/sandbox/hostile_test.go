package sandbox_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/sandbox"
)

// A child that an engine's bug has given to the module may send anything. Each
// case is what it sends after it has claimed to be confined.
func TestHostileChild(t *testing.T) {
	frame := func(kind sandbox.FrameType, payload ...byte) []byte {
		return append(sandbox.AppendHeader(nil, kind, len(payload)), payload...)
	}
	loaded := frame(sandbox.FrameLoaded)
	log := frame(sandbox.FrameLog, 1, 'x')
	var manyLogs []byte
	for range sandbox.MaxLogsPerCall + 1 {
		manyLogs = append(manyLogs, log...)
	}
	for name, c := range map[string]struct {
		sends  []byte
		load   string // what Load must say; empty: it works
		handle string
	}{
		"unknown frame":     {sends: frame(99), load: `frame of type 99, which does not exist`},
		"frame of type 0":   {sends: frame(0), load: `frame of type 0, which does not exist`},
		"huge claim":        {sends: binary.LittleEndian.AppendUint32(nil, 0xffffffff), load: `did not finish|lost its process`},
		"huge emit":         {sends: append(loaded, sandbox.AppendHeader(nil, sandbox.FrameEmit, 1<<31-1)...), handle: `claims 2147483647 bytes; its limit is 1048576`},
		"emit in load":      {sends: frame(sandbox.FrameEmit, 1), load: `frame of type 7 while loading, which has no place there`},
		"done in load":      {sends: frame(sandbox.FrameDone, 0, 0, 0, 0), load: `frame of type 10 while loading`},
		"short done":        {sends: append(loaded, frame(sandbox.FrameDone, 1)...), handle: `frame of type 10 while handling`},
		"loaded twice":      {sends: append(loaded, loaded...), handle: `frame of type 4 while handling`},
		"agent's own frame": {sends: frame(sandbox.FrameBatch, 1, 2, 3), load: `frame of type 6 while loading`},
		"empty log":         {sends: append(loaded, frame(sandbox.FrameLog)...), handle: `frame of type 9 while handling`},
		"silence":           {sends: nil, load: `did not finish loading within 300ms and was killed`},
		"half a frame":      {sends: loaded[:3], load: `did not finish loading within 300ms and was killed`},
		"endless log":       {sends: append(loaded, manyLogs...), handle: `wrote more than 100000 log lines`},
		"control codes":     {sends: frame(sandbox.FrameFault, append([]byte{1}, "\x1b[2Jtrapped\x07"...)...), load: "^\ufffd\\[2Jtrapped\ufffd$"},
		"strange fault":     {sends: frame(sandbox.FrameFault, 77, 'x'), load: `^x$`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.sends == nil {
				c.sends = []byte{}
			}
			claim := []byte(`{"uid":1,"gid":1,"noNewPrivs":true,"seccomp":2,"emptyRoot":true,"netns":"net:[1]"}`)
			p, err := launcher(t).Start(t.Context(), sandbox.Options{Path: impostor(t, append(frame(sandbox.FrameConfined, claim...), c.sends...))})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Kill()
			err = p.Load([]byte("module"), 300*time.Millisecond)
			want := c.load
			if want == "" {
				if err != nil {
					t.Fatal(err)
				}
				want = c.handle
				_, err = p.Handle([]byte("batch"), 5*time.Second, accept)
			}
			var f *sandbox.Failure
			if !errors.As(err, &f) || !regexp.MustCompile(want).MatchString(f.Text) {
				t.Errorf("the error is %v, and should match %s", err, want)
			}
			select {
			case <-p.Done():
			default:
				t.Error("the process was not ended")
			}
		})
	}
}

// A child ends as soon as it has said what was wrong. Its last words count
// however late the agent comes to read them.
func TestLastWordsOfTheDead(t *testing.T) {
	frame := func(kind sandbox.FrameType, payload ...byte) []byte {
		return append(sandbox.AppendHeader(nil, kind, len(payload)), payload...)
	}
	claim := []byte(`{"uid":1,"gid":1,"noNewPrivs":true,"seccomp":2,"emptyRoot":true,"netns":"net:[1]"}`)
	says := slices.Concat(frame(sandbox.FrameConfined, claim...), frame(sandbox.FrameLog, 1, 'x'),
		frame(sandbox.FrameFault, append([]byte{byte(sandbox.FaultTrap)}, "trapped in its start"...)...))
	var p *sandbox.Process
	late := func(abi.LogLevel, []byte) {
		if err := unix.Kill(p.PID(), unix.SIGKILL); err != nil {
			t.Error(err)
		}
		<-p.Done()
		time.Sleep(20 * time.Millisecond) // whatever the reaper does at its end
	}
	p, err := launcher(t).Start(t.Context(), sandbox.Options{Path: impostor(t, says), Log: late})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	var f *sandbox.Failure
	if err := p.Load([]byte("module"), 5*time.Second); !errors.As(err, &f) || f.Kind != sandbox.FaultTrap || f.Text != "trapped in its start" {
		t.Errorf("the error is %v", err)
	}
}

// As root, a child that kept something does not get the module.
func TestUnconfinedChildIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: without it a sandbox cannot be closed off in full")
	}
	for name, claim := range map[string]string{
		"root":       `{"uid":0,"gid":1,"noNewPrivs":true,"seccomp":2,"emptyRoot":true,"netns":"net:[1]"}`,
		"caps":       `{"uid":1,"gid":1,"caps":1,"noNewPrivs":true,"seccomp":2,"emptyRoot":true,"netns":"net:[1]"}`,
		"groups":     `{"uid":1,"gid":1,"groups":1,"noNewPrivs":true,"seccomp":2,"emptyRoot":true,"netns":"net:[1]"}`,
		"privileges": `{"uid":1,"gid":1,"noNewPrivs":false,"seccomp":2,"emptyRoot":true,"netns":"net:[1]"}`,
		"no filter":  `{"uid":1,"gid":1,"noNewPrivs":true,"seccomp":0,"emptyRoot":true,"netns":"net:[1]"}`,
		"files":      `{"uid":1,"gid":1,"noNewPrivs":true,"seccomp":2,"netns":"net:[1]"}`,
		"no json":    `{`,
		"network": func() string {
			own, _ := os.Readlink("/proc/self/ns/net")
			return fmt.Sprintf(`{"uid":1,"gid":1,"noNewPrivs":true,"seccomp":2,"emptyRoot":true,"netns":%q}`, own)
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			path := impostor(t, append(sandbox.AppendHeader(nil, sandbox.FrameConfined, len(claim)), claim...))
			if p, err := launcher(t).Start(t.Context(), sandbox.Options{Path: path}); err == nil {
				p.Kill()
				t.Error("it was accepted")
			} else {
				t.Log(err)
			}
		})
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	_, err := launcher(t).Start(t.Context(), sandbox.Options{Path: "/nowhere/sluice-sandbox"})
	var f *sandbox.Failure
	if !errors.As(err, &f) || f.Kind != sandbox.FaultStart {
		t.Errorf("the error is %v", err)
	}
	path := filepath.Join(t.TempDir(), "false")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho 'I cannot' >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = launcher(t).Start(t.Context(), sandbox.Options{Path: path})
	if !errors.As(err, &f) || !regexp.MustCompile(`lost its process while starting \(exit status 3\): I cannot`).MatchString(f.Text) {
		t.Errorf("the error is %v", err)
	}
}

// impostor makes a program that sends bytes to the agent and then waits.
func impostor(t *testing.T, sends []byte) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "impostor")
	script := fmt.Sprintf("#!/bin/sh\ncat %s/sends >&3\nexec sleep 100\n", dir)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "sends"), sends, 0o600), os.WriteFile(path, []byte(script), 0o700)); err != nil {
		t.Fatal(err)
	}
	return path
}
