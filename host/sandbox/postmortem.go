package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// broken explains why the conversation with the child ended in err. It ends the
// process if it has not ended.
func (p *Process) broken(err error, doing string, timeout time.Duration) *Failure {
	var frame *frameError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.Kill()
		return &Failure{FaultDeadline, fmt.Sprintf("did not finish %s within %v and was killed", doing, timeout)}
	case errors.As(err, &frame):
		p.Kill()
		return &Failure{FaultProtocol, fmt.Sprintf("sent, while %s, %s", doing, frame.what)}
	}
	// The child closed its end, so it is ending; a moment is enough, and one
	// that does not end in it is ended.
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Kill()
	}
	return p.PostMortem(doing)
}

func (p *Process) breach(t FrameType, doing string) *Failure {
	p.Kill()
	return &Failure{FaultProtocol, fmt.Sprintf("sent a frame of type %d while %s, which has no place there", t, doing)}
}

// PostMortem says why a process that is Done ended.
func (p *Process) PostMortem(doing string) *Failure {
	<-p.done
	words := p.stderr.String()
	status, _ := p.command.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case strings.Contains(words, "out of memory") || strings.Contains(words, "cannot allocate memory") ||
		strings.Contains(words, "failed to create new OS thread"):
		return &Failure{FaultMemory, fmt.Sprintf("used up the memory of its sandbox (%d MiB) while %s",
			p.options.Limits.MemoryMiB+p.options.Limits.EngineMiB, doing)}
	case strings.Contains(words, "SIGXCPU") || status.Signaled() && status.Signal() == syscall.SIGXCPU:
		return &Failure{FaultDeadline, fmt.Sprintf("used up its processor time while %s", doing)}
	case status.Signaled() && status.Signal() == syscall.SIGSYS:
		return &Failure{FaultSyscall, fmt.Sprintf("was killed while %s: its process made a system call that is not allowed", doing)}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(words), "\n")
	if line != "" {
		line = ": " + line
	}
	return &Failure{FaultDied, fmt.Sprintf("lost its process while %s (%v)%s", doing, p.command.ProcessState, line)}
}

// lastWords keeps the beginning of what the child writes to standard error: the
// Go runtime gives the reason first.
type lastWords struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func newLastWords() *lastWords { return new(lastWords) }

func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b[:min(len(b), MaxTextSize-w.text.Len())])
	return len(b), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return clean(w.text.Bytes())
}

// clean makes one printable text of what a stranger wrote. Newlines stay.
func clean(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, string(b))
}
