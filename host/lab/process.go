package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that runs in a namespace for as long as the lab wants.
// It leads a process group of its own, so that Ctrl-C at the terminal reaches
// the lab alone and ending it ends its children too.
type process struct {
	name string
	log  string // file with what it wrote
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // how; to be read when done is closed
}

// start runs the command in the namespace. The thread that forks waits for the
// process, because the kernel ties "end with your parent" to that thread
// (prctl(2), PR_SET_PDEATHSIG).
func (n *namespace) start(name, logFile string, command *exec.Cmd, logger *slog.Logger) (*process, error) {
	output, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer func() { _ = output.Close() }() // the process has its own copy
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}

	p := &process{name: name, log: logFile, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(int(n.handle), unix.CLONE_NEWNET)
		if err == nil {
			err = command.Start()
		}
		started <- err
		if err != nil {
			return
		}
		p.err = command.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.pid = command.Process.Pid
	logger.Debug("started", "program", name, "pid", p.pid)
	return p, nil
}

func (p *process) runs() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal reaches the process and its children; to signal one that has ended is
// harmless.
func (p *process) signal(signal unix.Signal) error {
	if !p.runs() {
		return nil
	}
	if err := unix.Kill(-p.pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signalling %s (pid %d): %w", p.name, p.pid, err)
	}
	return nil
}

// kill ends the process and its children without asking, and waits for it.
func (p *process) kill() error {
	if err := p.signal(unix.SIGKILL); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%s (pid %d) did not end within 10 s of SIGKILL", p.name, p.pid)
	}
}

// tail is the end of what the process wrote, for error messages.
func (p *process) tail() string {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	if len(lines) > 15 {
		lines = lines[len(lines)-15:]
	}
	return strings.TrimSpace(string(bytes.Join(lines, []byte("\n"))))
}

// hopeless is what a question to until answers if it need not be asked again.
type hopeless struct{ error }

func (h hopeless) Unwrap() error { return h.error }

// patience bounds the wait for one thing that a program does. An emulated machine
// beside other work takes minutes to compile a module.
const patience = 4 * time.Minute

// until asks again and again whether a thing that a program does has happened,
// where the program gives no other sign. It ends early if the process does.
func (p *process) until(ctx context.Context, what string, happened func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 25*time.Millisecond) {
		last := happened()
		if last == nil {
			return nil
		}
		if no := (hopeless{}); errors.As(last, &no) {
			return no.error
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v) while the lab waited for %s; its last words:\n%s", p.name, p.err, what, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w while waiting for %s (%w); its last words:\n%s", p.name, ctx.Err(), what, last, p.tail())
		case <-time.After(pause):
		}
	}
}
