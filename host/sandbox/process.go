package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/abi"
)

// Options of a process.
type Options struct {
	Path   string // of the program sluice-sandbox
	Limits Limits
	// Log receives the lines that the module logs.
	// It is called while Load or Handle runs. Nil drops them.
	Log func(level abi.LogLevel, text []byte)
}

// Process is one child. Its calls are for one goroutine; Kill, Done, PID and
// Usage are for any.
type Process struct {
	options     Options
	command     *exec.Cmd
	socket      *net.UnixConn
	stderr      *lastWords
	confinement Confinement
	buf         []byte

	done chan struct{} // closed when the process has been reaped
	kill sync.Once
	talk sync.Mutex // held in a conversation: the socket is closed after it
}

// MaxLogsPerCall bounds the log lines of one call. A module that goes over it is
// ended: each costs the agent a system call, however few are shown.
const MaxLogsPerCall = 100_000

// startTimeout is for starting and confining the process, which takes some
// milliseconds on an idle machine.
const startTimeout = 20 * time.Second

// Start starts a child and has it confine itself. The child is killed when ctx
// ends. As root, a child that did not give up everything is refused.
func (l *Launcher) Start(ctx context.Context, options Options) (*Process, error) {
	options.Limits = options.Limits.WithDefaults()
	p := &Process{options: options, stderr: newLastWords(), done: make(chan struct{})}
	if err := p.spawn(l); err != nil {
		return nil, &Failure{FaultStart, fmt.Sprintf("its sandbox %s could not be started: %v", options.Path, err)}
	}
	stop := context.AfterFunc(ctx, func() { p.Kill() })
	go func() {
		<-p.done
		stop()
	}()
	if err := p.confine(); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

func (p *Process) spawn(l *Launcher) error {
	ours, theirs, err := socketpair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	defer ours.Close() // net.FileConn makes a copy
	conn, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	p.socket = conn.(*net.UnixConn)

	p.command = exec.Command(p.options.Path)
	p.command.ExtraFiles = []*os.File{theirs}
	p.command.Stderr = p.stderr
	p.command.WaitDelay = time.Second
	p.command.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=2"}
	p.command.Dir = "/"
	p.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		p.command.SysProcAttr.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNS | unix.CLONE_NEWPID
	}
	if err := l.do(p.command.Start); err != nil {
		return errors.Join(err, p.socket.Close())
	}
	go func() {
		_ = p.command.Wait() // its result is in ProcessState
		close(p.done)
		// What the child said last is still in the socket, and its end follows:
		// whoever reads comes to both.
		p.talk.Lock()
		defer p.talk.Unlock()
		p.socket.Close()
	}()
	return nil
}

func socketpair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "sandbox"), os.NewFile(uintptr(fds[1]), "sandbox-child"), nil
}

func (p *Process) confine() error {
	header, err := json.Marshal(p.options.Limits)
	if err != nil {
		return err
	}
	p.talk.Lock()
	defer p.talk.Unlock()
	_ = p.socket.SetDeadline(time.Now().Add(startTimeout))
	if err := WriteFrame(p.socket, FrameConfine, header); err != nil {
		return p.broken(err, "starting", startTimeout)
	}
	t, payload, err := ReadFrame(p.socket, &p.buf)
	switch {
	case err != nil:
		return p.broken(err, "starting", startTimeout)
	case t == FrameFailed:
		return &Failure{FaultStart, "its sandbox could not be closed off: " + clean(payload)}
	case t != FrameConfined:
		return p.breach(t, "starting")
	}
	if err := json.Unmarshal(payload, &p.confinement); err != nil {
		return &Failure{FaultProtocol, fmt.Sprintf("its sandbox described itself in words that cannot be read: %v", err)}
	}
	if os.Geteuid() == 0 {
		return p.confinement.check()
	}
	return nil
}

// check refuses a child of root that kept something.
func (c Confinement) check() error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return &Failure{FaultStart, fmt.Sprintf("reading the agent's network namespace: %v", err)}
	}
	if c.UID == 0 || c.GID == 0 || c.Groups != 0 || c.Capabilities != 0 || !c.NoNewPrivs || c.Seccomp != 2 || !c.EmptyRoot || c.NetNS == own {
		return &Failure{FaultStart, fmt.Sprintf("its sandbox is not closed off: %+v", c)}
	}
	return nil
}

// Load hands over the module and waits until it is compiled and started. Any
// error is a *Failure, and the process has been ended.
func (p *Process) Load(wasm []byte, timeout time.Duration) error {
	if len(wasm) > MaxModuleSize {
		p.Kill()
		return &Failure{FaultLoad, fmt.Sprintf("is %d bytes long; the limit is %d", len(wasm), MaxModuleSize)}
	}
	_, err := p.call(FrameLoad, wasm, "loading", timeout, nil)
	return err
}

// Emit answers one call of sluice.emit. Requests is nil if size, their number of
// bytes, is over MaxEmitSize.
type Emit func(requests []byte, size int) (abi.EmitError, error)

// Handle has the module handle one encoded abi.EventBatch and returns what
// sluice_handle returned. For each call of sluice.emit, emit is asked what to
// answer; the requests are valid during the call only, and the time that it
// takes counts. An error of emit ends the call, and is returned. Any other error
// is a *Failure. After either, the process has been ended.
func (p *Process) Handle(batch []byte, timeout time.Duration, emit Emit) (int32, error) {
	if len(batch) > MaxBatchSize {
		p.Kill()
		return 0, &Failure{FaultLoad, fmt.Sprintf("cannot be given a batch of %d bytes; the limit is %d: grant it fewer resources", len(batch), MaxBatchSize)}
	}
	return p.call(FrameBatch, batch, "handling a batch", timeout, emit)
}

func (p *Process) call(t FrameType, payload []byte, doing string, timeout time.Duration, emit Emit) (code int32, err error) {
	p.talk.Lock()
	defer p.talk.Unlock()
	defer func() {
		if err != nil {
			p.Kill()
		}
	}()
	deadline := time.Now().Add(timeout)
	_ = p.socket.SetDeadline(deadline)
	if err := WriteFrame(p.socket, t, payload); err != nil {
		return 0, p.broken(err, doing, timeout)
	}
	for logs := 0; ; {
		got, answer, err := ReadFrame(p.socket, &p.buf)
		if err != nil {
			return 0, p.broken(err, doing, timeout)
		}
		switch {
		case got == FrameLog && len(answer) >= 1:
			if logs++; logs > MaxLogsPerCall {
				return 0, &Failure{FaultProtocol, fmt.Sprintf("wrote more than %d log lines while %s", MaxLogsPerCall, doing)}
			}
			if p.options.Log != nil {
				p.options.Log(abi.LogLevel(answer[0]), answer[1:])
			}
		case got == FrameEmit && t == FrameBatch:
			if err := p.answer(emit, answer, len(answer)); err != nil {
				return 0, p.explain(err, doing, timeout)
			}
		case got == FrameTooLarge && t == FrameBatch && len(answer) == 4:
			if err := p.answer(emit, nil, int(int32(binary.LittleEndian.Uint32(answer)))); err != nil {
				return 0, p.explain(err, doing, timeout)
			}
		case got == FrameDone && t == FrameBatch && len(answer) == 4:
			return int32(binary.LittleEndian.Uint32(answer)), nil
		case got == FrameLoaded && t == FrameLoad:
			return 0, nil
		case got == FrameFailed:
			return 0, &Failure{FaultLoad, clean(answer)}
		case got == FrameFault && len(answer) >= 1:
			kind := FaultKind(answer[0])
			if kind != FaultExit && kind != FaultLoad {
				kind = FaultTrap
			}
			return 0, &Failure{kind, clean(answer[1:])}
		default:
			return 0, p.breach(got, doing)
		}
	}
}

// answer asks emit and tells the child what it says.
func (p *Process) answer(emit Emit, requests []byte, size int) error {
	verdict, err := emit(requests, size)
	if err != nil {
		return &unwilling{err}
	}
	return WriteFrame(p.socket, FrameEmitResult, binary.LittleEndian.AppendUint32(nil, uint32(verdict)))
}

// unwilling is an error of Emit, which is not the child's.
type unwilling struct{ err error }

func (u *unwilling) Error() string { return u.err.Error() }

func (p *Process) explain(err error, doing string, timeout time.Duration) error {
	var u *unwilling
	if errors.As(err, &u) {
		return u.err
	}
	return p.broken(err, doing, timeout)
}

// Kill ends the process and waits until it has been reaped. It is harmless to
// repeat.
func (p *Process) Kill() {
	p.kill.Do(func() {
		// A process that was reaped already is no error: os.Process knows.
		_ = p.command.Process.Kill()
	})
	<-p.done
	// Outside a conversation the socket is free at once; in one, after it.
	if p.talk.TryLock() {
		defer p.talk.Unlock()
		p.socket.Close()
	}
}

// Done is closed when the process has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID in the agent's PID namespace.
func (p *Process) PID() int { return p.command.Process.Pid }

// Confinement is what the child reported before it was handed the module.
func (p *Process) Confinement() Confinement { return p.confinement }
