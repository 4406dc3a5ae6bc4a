package daemonset

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// prober opens connections from a Pod's network namespace without a pause, so that what
// happens to a policy is seen to a millisecond. It runs in this process and not in the
// Pod: its times are those of whoever writes policies.
type prober struct {
	to   unix.SockaddrInet4
	stop chan struct{}
	done chan struct{}
	err  error // to be read when done is closed

	mu        sync.Mutex
	connected []time.Time // when attempts began that came to a connection
	echoes    []time.Time // when the established connection brought something back
}

const (
	// probeEvery is the pace of attempts, and of what is sent on the established connection.
	probeEvery = time.Millisecond
	// probePatience ends an attempt before its kernel sends a second SYN (RFC 6298: after 1 s).
	probePatience = 600 * time.Millisecond
)

// probe begins.
func probe(namespace string, server netip.AddrPort) *prober {
	p := &prober{stop: make(chan struct{}), done: make(chan struct{})}
	p.to = unix.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()}
	go func() {
		defer close(p.done)
		runtime.LockOSThread() // and never unlocked: the thread, which is elsewhere now, ends with this function
		p.err = p.run(namespace)
	}()
	return p
}

// end ends it.
func (p *prober) end() error {
	close(p.stop)
	<-p.done
	return p.err
}

// pending is an attempt without an answer yet.
type pending struct {
	socket int
	began  time.Time
}

func (p *prober) run(namespace string) error {
	handle, err := netns.GetFromPath(namespace)
	if err != nil {
		return fmt.Errorf("the Pod's network namespace: %w", err)
	}
	defer handle.Close()
	if err := netns.Set(handle); err != nil {
		return fmt.Errorf("entering the Pod's network namespace: %w", err)
	}
	var waiting []pending
	stream := -1
	defer func() {
		for _, w := range waiting {
			_ = unix.Close(w.socket)
		}
		_ = unix.Close(stream)
	}()
	pace := time.NewTicker(probeEvery)
	defer pace.Stop()
	for {
		select {
		case <-p.stop:
			return nil
		case <-pace.C:
		}
		socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// No TIME_WAIT: thousands of them would use up the ports.
		_ = unix.SetsockoptLinger(socket, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		attempt := pending{socket, time.Now()}
		if err := unix.Connect(socket, &p.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			_ = unix.Close(socket)
			continue // refused at once
		}
		waiting = p.settle(append(waiting, attempt), &stream)
		stream = p.speak(stream)
	}
}

// settle asks which attempts have an answer. The first that succeeds is kept if there is
// no established connection.
func (p *prober) settle(waiting []pending, stream *int) []pending {
	poll := make([]unix.PollFd, len(waiting))
	for i, w := range waiting {
		poll[i] = unix.PollFd{Fd: int32(w.socket), Events: unix.POLLOUT}
	}
	if _, err := unix.Poll(poll, 0); err != nil {
		return waiting // interrupted: the next time
	}
	var left []pending
	for i, w := range waiting {
		switch {
		case poll[i].Revents == 0 && time.Since(w.began) < probePatience:
			left = append(left, w)
			continue
		case poll[i].Revents&(unix.POLLERR|unix.POLLHUP) == 0 && poll[i].Revents&unix.POLLOUT != 0:
			p.mu.Lock()
			p.connected = append(p.connected, w.began)
			p.mu.Unlock()
			if *stream < 0 {
				*stream = w.socket
				continue
			}
		}
		_ = unix.Close(w.socket)
	}
	return left
}

// speak sends a byte on the established connection and takes what has come back. One
// that is cut is given up by renew.
func (p *prober) speak(stream int) int {
	if stream < 0 {
		return stream
	}
	var back [256]byte
	n, err := unix.Read(stream, back[:])
	if n > 0 {
		p.mu.Lock()
		p.echoes = append(p.echoes, time.Now())
		p.mu.Unlock()
	}
	if n == 0 && err == nil || err != nil && !errors.Is(err, unix.EAGAIN) {
		_ = unix.Close(stream)
		return -1
	}
	_, _ = unix.Write(stream, []byte{1}) // a full buffer is what a cut connection has
	return stream
}

// since are the attempts that came to a connection, and the echoes, from a moment on.
func (p *prober) since(t time.Time) (connected, echoes []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return after(p.connected, t), after(p.echoes, t)
}

func after(all []time.Time, t time.Time) (later []time.Time) {
	for _, each := range all {
		if !each.Before(t) {
			later = append(later, each)
		}
	}
	return later
}
