package sctp

import (
	"crypto/rand"
	"encoding/binary"
)

// DialSCTP makes an association. Without a local address it takes any, and any port.
func DialSCTP(_ string, local, remote *SCTPAddr) (*SCTPConn, error) {
	from, port := local.ip(), uint16(32768+random()%28232) // Linux's ip_local_port_range
	if local != nil && local.Port != 0 {
		port = uint16(local.Port)
	}
	to := remote.ip()
	if to.IP.To4() == nil && from.IP.To4() != nil {
		from.IP = nil // every address of IPv6
	}
	s, err := open(from, port)
	if err != nil {
		return nil, err
	}
	first := random()
	c := &SCTPConn{
		socket: s, remote: to, remotePort: uint16(remote.Port), tag: random() | 1, changed: make(chan struct{}), sent: first - 1, acked: first - 1,
	}
	s.add(c)
	go s.receive()
	if err = c.await(chunk{kind: chunkInit, value: initValue(c.tag, first)}, func() bool { return c.cookie != nil }); err == nil {
		err = c.await(chunk{kind: chunkCookieEcho, value: c.cookie}, func() bool { return c.up })
	}
	if err != nil {
		_ = s.remove(c) // the other error says more
		return nil, err
	}
	return c, nil
}

// random is a number that nobody can guess.
func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return binary.BigEndian.Uint32(b[:])
}
