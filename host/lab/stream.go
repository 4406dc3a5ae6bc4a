package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// StreamSpec says between whom a stream runs.
type StreamSpec struct {
	From, To string     // as in ProbeSpec
	Address  netip.Addr // of To; zero means its first with a port that fits
	Port     uint16     // of To; zero means the first of the stream's protocol
	Rate     int        // messages per second; zero means 1000
}

// Stream sends numbered messages that the listener echoes, until it is stopped:
// it measures what an event costs the traffic that runs through it.
type Stream struct {
	spec     StreamSpec
	protocol string
	conn     *os.File
	stop     chan struct{}
	ended    sync.WaitGroup
	once     sync.Once

	mu       sync.Mutex
	seen     []uint64 // one bit per number that came back
	report   StreamReport
	last     time.Time // when the last answer came
	stopping bool
}

// StreamReport is what a stream has measured. A message is lost if either it or
// its echo did not arrive.
type StreamReport struct {
	Sent       int
	Received   int
	Lost       int
	Duplicates int           // echoes that came more than once
	LongestGap time.Duration // without an echo, as the sender saw it
	Err        error         // why the stream broke off; nil if it did not
}

func (r StreamReport) String() string {
	text := fmt.Sprintf("%d sent, %d lost, longest gap %d ms", r.Sent, r.Lost, r.LongestGap.Milliseconds())
	if r.Duplicates > 0 {
		text += fmt.Sprintf(", %d twice", r.Duplicates)
	}
	if r.Err != nil {
		text += ", broke off: " + r.Err.Error()
	}
	return text
}

const (
	defaultRate = 1000
	maxBurst    = 16 // messages sent at once to catch up after a pause
	streamGrace = time.Second
)

// UDPStream starts a stream of datagrams.
func (l *Lab) UDPStream(spec StreamSpec) (*Stream, error) { return l.stream(spec, "UDP") }

// TCPStream starts a stream of lines over one connection.
func (l *Lab) TCPStream(spec StreamSpec) (*Stream, error) { return l.stream(spec, "TCP") }

func (l *Lab) stream(spec StreamSpec, protocol string) (*Stream, error) {
	from, err := l.end(spec.From)
	if err != nil {
		return nil, err
	}
	if spec.Rate == 0 {
		spec.Rate = defaultRate
	}
	if spec.Rate < 1 || spec.Rate > 100000 {
		return nil, fmt.Errorf("stream of %d messages a second: choose 1 to 100000", spec.Rate)
	}
	l.listening.Lock()
	i := slices.IndexFunc(l.listening.all, func(s *listener) bool {
		return s.owner == spec.To && s.port.Protocol == protocol && from.speaks(s.address) &&
			(!spec.Address.IsValid() || spec.Address == s.address) &&
			(spec.Port == 0 || spec.Port == s.port.Number)
	})
	if i >= 0 {
		spec.Address, spec.Port = l.listening.all[i].address, l.listening.all[i].port.Number
	}
	l.listening.Unlock()
	if i < 0 {
		return nil, fmt.Errorf("%s stream from %s to %s: nobody listens there", protocol, spec.From, spec.To)
	}
	conn, err := from.ns.connect(netip.AddrPortFrom(spec.Address, spec.Port), protocol, time.Now().Add(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("%s stream from %s to %s: %w", protocol, spec.From, spec.To, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := &Stream{spec: spec, protocol: protocol, conn: conn, stop: make(chan struct{}), last: time.Now()}
	s.ended.Go(s.send)
	s.ended.Go(s.receive)
	return s, nil
}

// Report is what the stream has measured so far. Messages under way count as
// lost.
func (s *Stream) Report() StreamReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := s.report
	report.Lost = report.Sent - report.Received
	if gap := time.Since(s.last); !s.stopping && gap > report.LongestGap {
		report.LongestGap = gap
	}
	return report
}

// Stop ends the stream, waits up to a second for what is under way, and gives
// the final report.
func (s *Stream) Stop() StreamReport {
	s.once.Do(func() {
		close(s.stop)
		_ = s.conn.SetReadDeadline(time.Now().Add(streamGrace))
		s.ended.Wait()
		_ = s.conn.Close()
	})
	return s.Report()
}

// send keeps to the rate by the clock, not by counting ticks, which come late
// on a busy machine.
func (s *Stream) send() {
	tick := time.NewTicker(max(time.Second/time.Duration(s.spec.Rate), time.Millisecond))
	defer tick.Stop()
	begin, sent := time.Now(), 0
	for {
		select {
		case <-s.stop:
			s.finish(sent)
			return
		case <-tick.C:
		}
		due := int(time.Since(begin).Seconds() * float64(s.spec.Rate))
		for range min(due-sent, maxBurst) {
			s.count(sent + 1)
			if err := s.write(sent); err != nil {
				s.broke(err)
				return
			}
			sent++
		}
		if due-sent > maxBurst { // the machine paused: go on from here
			begin = time.Now().Add(-time.Duration(float64(sent) / float64(s.spec.Rate) * float64(time.Second)))
		}
	}
}

func (s *Stream) write(number int) error {
	message := strconv.AppendInt(make([]byte, 0, 24), int64(number), 10)
	if s.protocol == "TCP" {
		message = append(message, '\n')
	}
	_, err := s.conn.Write(message)
	if s.protocol == "UDP" && err != nil && isOutcome(err) {
		return nil // an ICMP error to an earlier datagram: this one is lost
	}
	return err
}

func (s *Stream) count(sent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Sent = sent
}

// finish notes that no more is sent; if everything has come back, it ends the
// waiting.
func (s *Stream) finish(sent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Sent, s.stopping = sent, true
	if s.report.Received == sent {
		_ = s.conn.SetReadDeadline(time.Now())
	}
}

func (s *Stream) broke(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report.Err == nil {
		s.report.Err = err
	}
}

func (s *Stream) receive() {
	read := s.packets()
	if s.protocol == "TCP" {
		read = s.lines()
	}
	for {
		answer, err := read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return // stopped
		}
		if err != nil && s.protocol == "UDP" && isOutcome(err) {
			continue // an ICMP error: what it was about counts as lost
		}
		if err != nil {
			s.broke(err)
			return
		}
		number, _, _ := bytes.Cut(answer, []byte(" "))
		if n, err := strconv.Atoi(string(number)); err == nil && s.got(n) {
			return
		}
	}
}

func (s *Stream) packets() func() ([]byte, error) {
	packet := make([]byte, 2048)
	return func() ([]byte, error) {
		n, err := s.conn.Read(packet)
		return packet[:n], err
	}
}

func (s *Stream) lines() func() ([]byte, error) {
	reader := bufio.NewReader(s.conn)
	return func() ([]byte, error) { return reader.ReadSlice('\n') }
}

// got counts an answer. It tells whether it was the last that can come.
func (s *Stream) got(number int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 0 || number >= s.report.Sent {
		return false // not ours
	}
	word, bit := number/64, uint64(1)<<(number%64)
	for len(s.seen) <= word {
		s.seen = append(s.seen, 0)
	}
	if s.seen[word]&bit != 0 {
		s.report.Duplicates++
		return false
	}
	s.seen[word] |= bit
	s.report.Received++
	now := time.Now()
	s.report.LongestGap = max(s.report.LongestGap, now.Sub(s.last))
	s.last = now
	return s.stopping && s.report.Received == s.report.Sent
}

// WaitFlowing waits until the stream has received this many echoes, so that an
// event is sure to hit it in full flow.
func (s *Stream) WaitFlowing(ctx context.Context, echoes int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		report := s.Report()
		if report.Err != nil {
			return report.Err
		}
		if report.Received >= echoes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s stream from %s to %s: %d of %d echoes: %w",
				s.protocol, s.spec.From, s.spec.To, report.Received, echoes, ctx.Err())
		case <-tick.C:
		}
	}
}
