package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// streamEvery is how often a number is sent.
const streamEvery = 10 * time.Millisecond

// lost is how late an echo may be on a busy machine; one that comes later still is
// not lost either.
const lost = 5 * time.Second

// progress is written every second.
type progress struct {
	Sent     int     `json:"sent"`
	Echoed   int     `json:"echoed"`
	Lost     int     `json:"lost"`                // numbers without an echo after five seconds
	Longest  float64 `json:"longestMs"`           // between two echoes
	LastEcho int64   `json:"lastEcho"`            // when it came
	Error    string  `json:"error,omitempty"`     // the stream has ended
	Opened   int64   `json:"connected,omitempty"` // when it began
}

type streaming struct {
	mu sync.Mutex
	progress
	waiting map[uint64]time.Time
	last    time.Time
}

// stream sends numbers over one connection and writes what came back of them. The end
// of the connection is written, and it does not end the program: its container would
// be started again.
func stream(network, address string, r *report) error {
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	s := &streaming{waiting: map[uint64]time.Time{}, last: time.Now()}
	s.Opened = time.Now().UnixNano()
	ended := make(chan error, 2)
	go func() { ended <- s.receive(conn) }()
	go func() { ended <- s.send(conn) }()
	for tick := time.NewTicker(time.Second); ; {
		select {
		case err := <-ended:
			s.mu.Lock()
			s.Error = fmt.Sprint(err)
			s.mu.Unlock()
		case <-tick.C:
		}
		r.line(s.now())
	}
}

func (s *streaming) send(conn net.Conn) error {
	for tick := time.NewTicker(streamEvery); ; <-tick.C {
		s.mu.Lock()
		s.Sent++
		number := uint64(s.Sent)
		s.waiting[number] = time.Now()
		s.mu.Unlock()
		if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, number)); err != nil {
			return err
		}
	}
}

func (s *streaming) receive(conn net.Conn) error {
	for echo := make([]byte, 8); ; {
		if _, err := io.ReadFull(conn, echo); err != nil {
			return err
		}
		s.mu.Lock()
		now := time.Now()
		delete(s.waiting, binary.BigEndian.Uint64(echo))
		s.Echoed++
		s.Longest = max(s.Longest, float64(now.Sub(s.last).Microseconds())/1000)
		s.last, s.LastEcho = now, now.UnixNano()
		s.mu.Unlock()
	}
}

// now counts what was lost.
func (s *streaming) now() progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Lost = 0
	for _, sent := range s.waiting {
		if time.Since(sent) > lost {
			s.Lost++
		}
	}
	return s.progress
}
