package lab

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ProbeSpec is one probe to make.
type ProbeSpec struct {
	From     string     // namespace/name, "host", "host:NODE" or "external"
	To       string     // the same, or a Service as "svc:namespace/name"
	Address  netip.Addr // of To
	Protocol string
	Port     uint16
}

func (s ProbeSpec) String() string {
	return fmt.Sprintf("%s -> %s %s %s", s.From, s.To, s.Protocol, netip.AddrPortFrom(s.Address, s.Port))
}

// Outcome of a probe.
type Outcome struct {
	Connected bool
	Reason    string        // why not; empty if connected
	Source    netip.Addr    // the source address that the listener saw; none if a Service gave the sender itself
	Answers   []string      // who answered; several may, for a Service
	Partly    bool          // some of the connections to a Service were answered, and not all
	Took      time.Duration // until the answer, or until it was given up
}

const (
	probeTimeout = 700 * time.Millisecond
	udpRetry     = 230 * time.Millisecond // three questions within the time-out
	maxProbes    = 128                    // under way at once
)

// Probe makes one probe: it connects, and sends a random number that the right
// listener must send back. Silence is believed only after a second try. A Service
// is asked many times.
func (l *Lab) Probe(ctx context.Context, spec ProbeSpec) (Outcome, error) {
	from, err := l.end(spec.From)
	if err != nil {
		return Outcome{}, err
	}
	if isService(spec.To) {
		return from.ns.probeService(spec)
	}
	var outcome Outcome
	for range 2 {
		if err := ctx.Err(); err != nil {
			return Outcome{}, err
		}
		outcome, err = from.ns.attempt(spec, probeTimeout)
		if err != nil {
			return Outcome{}, fmt.Errorf("probe %s could not be made: %w", spec, err)
		}
		if outcome.Connected {
			break
		}
	}
	return outcome, nil
}

// ProbeAll makes the probes, many at once. The outcomes are in the order of the
// probes.
func (l *Lab) ProbeAll(ctx context.Context, specs []ProbeSpec) ([]Outcome, error) {
	outcomes := make([]Outcome, len(specs))
	errs := make([]error, len(specs))
	work := make(chan int)
	var group sync.WaitGroup
	for range min(maxProbes, len(specs)) {
		group.Go(func() {
			for i := range work {
				outcomes[i], errs[i] = l.Probe(ctx, specs[i])
			}
		})
	}
	for i := range specs {
		work <- i
	}
	close(work)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i]
	}
	return outcomes, nil
}

// attempt makes a probe once. An error means that the probe could not be made
// at all, which says nothing about the network.
func (n *namespace) attempt(spec ProbeSpec, patience time.Duration) (Outcome, error) {
	begin := time.Now()
	deadline := begin.Add(patience)
	nonce := make([]byte, 8)
	if _, err := rand.Read(nonce); err != nil {
		return Outcome{}, err
	}
	question := hex.EncodeToString(nonce)
	answer, err := n.ask(spec, question, deadline)
	outcome := Outcome{Took: time.Since(begin)}
	switch {
	case err != nil && isOutcome(err):
		outcome.Reason = reason(err)
		return outcome, nil
	case err != nil:
		return outcome, err
	}
	fields := strings.Fields(answer)
	if len(fields) != 3 || fields[0] != question || fields[1] != spec.To && !isService(spec.To) {
		outcome.Reason = fmt.Sprintf("somebody else answered: %.80q", answer)
		return outcome, nil
	}
	outcome.Answers = fields[1:2]
	outcome.Source, err = netip.ParseAddr(fields[2])
	outcome.Connected = err == nil
	return outcome, err
}

func (n *namespace) ask(spec ProbeSpec, question string, deadline time.Time) (string, error) {
	conn, err := n.connect(netip.AddrPortFrom(spec.Address, spec.Port), spec.Protocol, deadline)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if spec.Protocol == "UDP" {
		return askPacket(conn, question, deadline)
	}
	if _, err := conn.WriteString(question + "\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

// askPacket repeats the question, because a datagram may be lost.
func askPacket(conn *os.File, question string, deadline time.Time) (string, error) {
	packet := make([]byte, 2048)
	for {
		if _, err := conn.WriteString(question); err != nil {
			return "", err
		}
		until := time.Now().Add(udpRetry)
		if until.After(deadline) {
			until = deadline
		}
		if err := conn.SetReadDeadline(until); err != nil {
			return "", err
		}
		n, err := conn.Read(packet)
		if err == nil {
			return string(packet[:n]), nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline) {
			return "", err
		}
	}
}

// networkErrors are the ways in which a network says no. Every other error is
// the lab's own (no file descriptors left, for instance).
var networkErrors = []unix.Errno{
	unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ETIMEDOUT,
	unix.EACCES, unix.EPERM, unix.ENOPROTOOPT, unix.EPROTO, unix.EPIPE,
}

func isOutcome(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) ||
		slices.ContainsFunc(networkErrors, func(no unix.Errno) bool { return errors.Is(err, no) })
}

func reason(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("no answer within %d ms, twice", probeTimeout.Milliseconds())
	}
	for _, no := range networkErrors {
		if errors.Is(err, no) {
			return no.Error()
		}
	}
	return err.Error()
}
