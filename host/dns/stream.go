package dns

import (
	"encoding/binary"
	"net/netip"
)

// Streams puts together messages that come over TCP, where each has its length in
// front (RFC 1035, 4.2.2; several may share a connection, RFC 7766). It belongs to
// one goroutine.
type Streams struct {
	open  map[[2]netip.AddrPort]*stream
	order [][2]netip.AddrPort // oldest first
}

type stream struct {
	next uint32 // the sequence number that continues what is there
	data []byte
}

// maxStreams bounds connections in the middle of a message, each of which holds
// 64 KiB at most.
const maxStreams = 256

// NewStreams returns one without connections.
func NewStreams() *Streams { return &Streams{open: map[[2]netip.AddrPort]*stream{}} }

// Take takes a segment and returns the messages that it completes. What comes out
// of order, or was sent again, starts anew: the client asks again, and the next
// answer is read.
func (s *Streams) Take(g Segment) (messages [][]byte) {
	key := [2]netip.AddrPort{g.Server, g.Client}
	if len(g.Payload) == 0 {
		if g.Reset || g.Finish {
			s.forget(key)
		}
		return nil
	}
	at := s.open[key]
	if at == nil || at.next != g.Sequence {
		s.forget(key)
		at = &stream{}
	}
	at.data = append(at.data, g.Payload...)
	at.next = g.Sequence + uint32(len(g.Payload))
	for len(at.data) >= 2 {
		size := 2 + int(binary.BigEndian.Uint16(at.data))
		if len(at.data) < size {
			break
		}
		messages = append(messages, at.data[2:size])
		at.data = at.data[size:]
	}
	if g.Finish || g.Reset || len(at.data) == 0 {
		s.forget(key)
		return messages
	}
	if s.open[key] == nil {
		s.remember(key, at)
	}
	return messages
}

func (s *Streams) remember(key [2]netip.AddrPort, at *stream) {
	if len(s.order) >= maxStreams {
		s.forget(s.order[0])
	}
	s.open[key] = at
	s.order = append(s.order, key)
}

func (s *Streams) forget(key [2]netip.AddrPort) {
	if s.open[key] == nil {
		return
	}
	delete(s.open, key)
	for i, k := range s.order {
		if k == key {
			s.order = append(s.order[:i], s.order[i+1:]...)
			return
		}
	}
}
