package sctp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"sync"
)

// SCTPListener takes associations on a port.
type SCTPListener struct {
	socket   *socket
	address  *SCTPAddr
	key      [32]byte // of cookies
	accepted chan *SCTPConn
	closed   chan struct{}
	closing  sync.Once
}

// backlog is how many associations wait for Accept; more are not answered.
const backlog = 64

// ListenSCTP listens on a port.
func ListenSCTP(_ string, local *SCTPAddr) (*SCTPListener, error) {
	s, err := open(local.ip(), uint16(local.Port))
	if err != nil {
		return nil, err
	}
	l := &SCTPListener{socket: s, address: local, accepted: make(chan *SCTPConn, backlog), closed: make(chan struct{})}
	_, _ = rand.Read(l.key[:]) // it never fails
	s.listener = l
	go s.receive()
	return l, nil
}

// AcceptSCTP waits for an association.
func (l *SCTPListener) AcceptSCTP() (*SCTPConn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr is where it listens.
func (l *SCTPListener) Addr() net.Addr { return l.address }

// Close ends it, and all its associations without a word.
func (l *SCTPListener) Close() (err error) {
	l.closing.Do(func() {
		close(l.closed)
		err = l.socket.raw.Close()
	})
	return err
}

// The cookie: what the association will be, of which nothing is remembered before it
// comes back (RFC 9260, section 5.1.3), and a signature.
const cookieSize = 16

func (l *SCTPListener) sign(from *net.IPAddr, port uint16, plain []byte) []byte {
	mac := hmac.New(sha256.New, l.key[:])
	mac.Write(plain)
	mac.Write([]byte(from.String()))
	mac.Write(binary.BigEndian.AppendUint16(nil, port))
	return mac.Sum(append([]byte{}, plain...))
}

func (l *SCTPListener) handle(from *net.IPAddr, h header, c chunk) {
	switch {
	case c.kind == chunkInit && len(c.value) >= initSize:
		peerTag, peerFirst, tag, first := binary.BigEndian.Uint32(c.value), binary.BigEndian.Uint32(c.value[12:]), random()|1, random()
		var plain []byte
		for _, v := range []uint32{peerTag, peerFirst, tag, first} {
			plain = binary.BigEndian.AppendUint32(plain, v)
		}
		value := parameter(initValue(tag, first), stateCookie, l.sign(from, h.from, plain))
		_ = l.socket.send(from, h.from, peerTag, chunk{kind: chunkInitAck, value: value}) // one that is lost is asked for again
	case c.kind == chunkCookieEcho && len(c.value) > cookieSize && hmac.Equal(c.value, l.sign(from, h.from, c.value[:cookieSize])):
		l.accept(from, h, c.value)
	}
}

// accept makes an association of a cookie that is ours. One that comes again is
// acknowledged again.
func (l *SCTPListener) accept(from *net.IPAddr, h header, cookie []byte) {
	number := func(i int) uint32 { return binary.BigEndian.Uint32(cookie[4*i:]) }
	if h.tag != number(2) {
		return
	}
	conn := &SCTPConn{
		socket: l.socket, remote: from, remotePort: h.from, tag: number(2), changed: make(chan struct{}),
		peerTag: number(0), got: number(1) - 1, sent: number(3) - 1, acked: number(3) - 1, up: true,
	}
	if l.socket.add(conn) {
		select {
		case l.accepted <- conn:
		default:
			_ = l.socket.remove(conn) // a listener's own socket stays
			return
		}
	}
	_ = l.socket.send(from, h.from, number(0), chunk{kind: chunkCookieAck})
}
