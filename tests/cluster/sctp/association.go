package sctp

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// How often what was not answered is sent again, and how many times.
const (
	again    = 500 * time.Millisecond
	attempts = 12
)

// SCTPConn is an association.
type SCTPConn struct {
	socket     *socket
	remote     *net.IPAddr
	remotePort uint16
	tag        uint32 // that the peer sends

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, when anything below changes
	peerTag  uint32
	cookie   []byte // to be echoed; a server has none
	up       bool
	sent     uint32 // TSN of the last message
	acked    uint32 // TSN up to which the peer has them
	got      uint32 // TSN up to which they are here
	sequence uint16
	inbox    [][]byte
	ended    bool // the peer says that it has no more
	closing  bool // and so do we
	gone     bool // nothing more is to be sent
	failure  error
	deadline time.Time // of Read
}

// handle takes a chunk that the peer sent.
func (c *SCTPConn) handle(k chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.broadcast()
	switch k.kind {
	case chunkInitAck:
		if len(k.value) >= initSize && c.cookie == nil && !c.up {
			c.peerTag = binary.BigEndian.Uint32(k.value)
			c.got = binary.BigEndian.Uint32(k.value[12:]) - 1
			c.cookie = append([]byte{}, findParameter(k.value[initSize:], stateCookie)...)
		}
	case chunkCookieAck:
		c.up = c.cookie != nil || c.up
	case chunkData:
		c.data(k)
	case chunkSack:
		if len(k.value) >= 4 {
			c.acked = binary.BigEndian.Uint32(k.value)
		}
	case chunkHeartbeat:
		c.reply(chunk{kind: chunkHeartbeatAck, value: k.value})
	case chunkAbort:
		if c.failure = syscall.ECONNRESET; !c.up {
			c.failure = syscall.ECONNREFUSED
		}
	case chunkShutdown:
		// It is answered when this end has said all as well: the peer asks again.
		if c.ended = true; c.closing {
			c.reply(chunk{kind: chunkShutdownAck})
		}
	case chunkShutdownAck:
		c.ended, c.gone = true, true
		c.reply(chunk{kind: chunkShutdownComplete})
	case chunkShutdownComplete:
		c.gone = true
	}
}

// data takes a message that is the next one, and says up to which they are here. The
// caller holds mu.
func (c *SCTPConn) data(k chunk) {
	if len(k.value) <= dataSize || k.flags&wholeMessage != wholeMessage {
		return
	}
	if tsn := binary.BigEndian.Uint32(k.value); tsn == c.got+1 {
		c.got = tsn
		c.inbox = append(c.inbox, append([]byte{}, k.value[dataSize:]...))
	}
	sack := make([]byte, 12)
	binary.BigEndian.PutUint32(sack, c.got)
	binary.BigEndian.PutUint32(sack[4:], window)
	c.reply(chunk{kind: chunkSack, value: sack})
}

// reply sends a chunk; one that is lost is asked for again. The caller holds mu.
func (c *SCTPConn) reply(k chunk) {
	_ = c.socket.send(c.remote, c.remotePort, c.peerTag, k)
}

// broadcast wakes who waits. The caller holds mu.
func (c *SCTPConn) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// await sends a chunk, again and again, until something is so, which runs under mu.
func (c *SCTPConn) await(k chunk, done func() bool) error {
	for range attempts {
		c.mu.Lock()
		tag := c.peerTag
		c.mu.Unlock()
		if err := c.socket.send(c.remote, c.remotePort, tag, k); err != nil {
			return err
		}
		err := c.wait(time.Now().Add(again), done)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return syscall.ETIMEDOUT
}

// wait waits until something is so, which runs under mu. Without a deadline it waits
// for the end of the association as well.
func (c *SCTPConn) wait(deadline time.Time, done func() bool) error {
	var over <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		over = timer.C
	}
	for {
		c.mu.Lock()
		ok, err, changed := done(), c.failure, c.changed
		c.mu.Unlock()
		switch {
		case ok:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-over:
			return os.ErrDeadlineExceeded
		}
	}
}

// Read waits for a message and returns it. What does not fit is lost.
func (c *SCTPConn) Read(b []byte) (n int, err error) {
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	end := false
	err = c.wait(deadline, func() bool {
		if len(c.inbox) > 0 {
			n = copy(b, c.inbox[0])
			c.inbox = c.inbox[1:]
			return true
		}
		end = c.ended || c.gone
		return end
	})
	if err == nil && end {
		err = io.EOF
	}
	return n, err
}

// Write sends a message and waits until the peer has it.
func (c *SCTPConn) Write(b []byte) (int, error) {
	if len(b) == 0 || len(b) > maxMessage {
		return 0, syscall.EMSGSIZE
	}
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	c.sent++
	value := make([]byte, dataSize, dataSize+len(b))
	binary.BigEndian.PutUint32(value, c.sent)
	binary.BigEndian.PutUint16(value[6:], c.sequence)
	c.sequence++
	tsn := c.sent
	c.mu.Unlock()
	k := chunk{chunkData, wholeMessage, append(value, b...)}
	if err := c.await(k, func() bool { return int32(c.acked-tsn) >= 0 }); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close says goodbye. A peer that does not answer is not waited for beyond some seconds.
func (c *SCTPConn) Close() error {
	c.mu.Lock()
	c.closing = true
	goodbye := chunk{kind: chunkShutdown, value: binary.BigEndian.AppendUint32(nil, c.got)}
	if c.ended {
		goodbye = chunk{kind: chunkShutdownAck}
	}
	up := c.up && c.failure == nil && !c.gone
	c.mu.Unlock()
	if up {
		// It has gone either way.
		_ = c.await(goodbye, func() bool { return c.gone })
	}
	c.mu.Lock()
	c.gone = true
	c.broadcast()
	c.mu.Unlock()
	return c.socket.remove(c)
}

// SetReadDeadline bounds the calls of Read to come.
func (c *SCTPConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

// SCTPRemoteAddr is the address of the peer.
func (c *SCTPConn) SCTPRemoteAddr(int) (*SCTPAddr, error) {
	return &SCTPAddr{IPAddrs: []net.IPAddr{*c.remote}, Port: int(c.remotePort)}, nil
}
