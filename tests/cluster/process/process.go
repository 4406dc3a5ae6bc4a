package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Options of a program.
type Options struct {
	Name string
	Log  string // file that gets what it writes; it is appended to
	// Namespace is the file of a network namespace to run in. Empty: the caller's.
	Namespace string
	// Clone are further namespaces to make for it (CLONE_NEW… flags).
	Clone uintptr
	// Prepare is called on the thread that starts the program, before it does: what
	// it changes of the thread (cgroups, for example) the program inherits.
	Prepare func() error
	// Grace is how long Stop waits between SIGTERM and SIGKILL.
	Grace time.Duration
}

// Process is a program that runs.
type Process struct {
	opts Options
	PID  int
	done chan struct{}
	err  error // to be read when done is closed
}

// Start runs a command. The thread that forks waits for it, because the kernel ties
// "end with your parent" to that thread (prctl(2), PR_SET_PDEATHSIG).
func Start(opts Options, command *exec.Cmd) (*Process, error) {
	output, err := os.OpenFile(opts.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", opts.Name, err)
	}
	defer output.Close() // the program has its own copy
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL, Cloneflags: opts.Clone}
	p := &Process{opts: opts, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		err := enter(opts)
		if err == nil {
			err = command.Start()
		}
		started <- err
		if err == nil {
			p.err = command.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", opts.Name, err)
	}
	p.PID = command.Process.Pid
	return p, nil
}

func enter(opts Options) error {
	if opts.Namespace != "" {
		handle, err := netns.GetFromPath(opts.Namespace)
		if err != nil {
			return fmt.Errorf("network namespace %s: %w", opts.Namespace, err)
		}
		defer handle.Close()
		if err := netns.Set(handle); err != nil {
			return fmt.Errorf("entering network namespace %s: %w", opts.Namespace, err)
		}
	}
	if opts.Prepare != nil {
		return opts.Prepare()
	}
	return nil
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends a signal to the program alone. One that has ended gets none.
func (p *Process) Signal(signal unix.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := unix.Kill(p.PID, signal); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signalling %s (pid %d): %w", p.opts.Name, p.PID, err)
	}
	return nil
}

// Stop ends the program: by SIGTERM if it has a Grace, then by SIGKILL.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	if p.opts.Grace > 0 {
		if err := p.Signal(unix.SIGTERM); err != nil {
			return err
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(p.opts.Grace):
		}
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("%s (pid %d) did not end within 10 s of SIGKILL", p.opts.Name, p.PID)
	}
}

// Tail is the end of what the program wrote.
func (p *Process) Tail() string {
	content, err := os.ReadFile(p.opts.Log)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-15):], []byte("\n")))
}

// Until asks again and again whether something has happened that the program gives no
// other sign of. It ends early if the program does, or with ctx.
func (p *Process) Until(ctx context.Context, what string, happened func() error) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		last := happened()
		if last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v) before %s; its last words:\n%s", p.opts.Name, p.err, what, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w before %s (%w); its last words:\n%s", p.opts.Name, ctx.Err(), what, last, p.Tail())
		case <-time.After(pause):
		}
	}
}
