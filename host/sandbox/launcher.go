package sandbox

import (
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Launcher starts the children of one agent.
//
// The kernel kills a child when the *thread* that started it ends
// (PR_SET_PDEATHSIG), and Go ends threads of its own accord, for instance those
// that were locked to enter a network namespace. So one thread, which does
// nothing else, starts them all and lives until Close.
type Launcher struct {
	work   chan func()
	closed chan struct{}
	once   sync.Once
}

// niceness of the children (setpriority(2)): on a busy machine they get about a
// tenth of what Open vSwitch and the agent get.
const niceness = 10

// NewLauncher returns a launcher, which the caller closes after the last of its
// processes has ended: Close kills those that have not.
func NewLauncher() *Launcher {
	l := &Launcher{work: make(chan func()), closed: make(chan struct{})}
	go l.run()
	return l
}

func (l *Launcher) run() {
	runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
	// Children inherit it: packets go before policy logic, above all while a new
	// generation is being compiled beside the one at work. Failing is harmless.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	for {
		select {
		case f := <-l.work:
			f()
		case <-l.closed:
			return
		}
	}
}

// do runs f on the launcher's thread and waits for it.
func (l *Launcher) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case l.work <- func() { result <- f() }:
		return <-result
	case <-l.closed:
		return errors.New("the launcher of sandboxes is closed")
	}
}

// Close ends the thread, and with it every process that is left.
func (l *Launcher) Close() { l.once.Do(func() { close(l.closed) }) }
