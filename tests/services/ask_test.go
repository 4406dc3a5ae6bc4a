package services

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/nettest"
)

// patience is how long a question that is answered may take.
const patience = 2 * time.Second

// listen makes a Pod answer each line, over TCP and UDP and both families, with
// its name and the address that it sees as the client's.
func (r *rig) listen(i int, port uint16) {
	r.t.Helper()
	r.serve(r.Pods[i].NetNS, podName(i), port)
}

func (r *rig) serve(ns, name string, port uint16) {
	r.t.Helper()
	var l net.Listener
	var u net.PacketConn
	nettest.Do(r.t, ns, func() (err error) {
		if l, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			u, err = net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		}
		return err
	})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { converse(c, name) })
		}
	})
	all.Go(func() {
		var b [65536]byte
		for {
			n, from, err := u.ReadFrom(b[:])
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(packets{u, from}, "%s %s %d\n", name, plain(from), n)
		}
	})
	r.t.Cleanup(func() { l.Close(); u.Close(); all.Wait() })
}

// packets writes to one peer.
type packets struct {
	net.PacketConn
	to net.Addr
}

func (p packets) Write(b []byte) (int, error) { return p.WriteTo(b, p.to) }

func converse(c net.Conn, name string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if _, err := fmt.Fprintf(c, "%s %s %d\n", name, plain(c.RemoteAddr()), len(lines.Text())+1); err != nil {
			return
		}
	}
}

func plain(a net.Addr) netip.Addr {
	return netip.MustParseAddrPort(a.String()).Addr().Unmap()
}

// talk is a connection of a Pod over which it asks.
type talk struct {
	net.Conn
	lines *bufio.Reader
}

func (r *rig) dial(i int, network string, to netip.AddrPort) (*talk, error) {
	r.t.Helper()
	return r.dialFrom(r.Pods[i].NetNS, network, to)
}

// dialFrom is dial from any network namespace.
func (r *rig) dialFrom(ns, network string, to netip.AddrPort) (*talk, error) {
	r.t.Helper()
	var c net.Conn
	var err error
	nettest.Do(r.t, ns, func() error {
		c, err = net.DialTimeout(network, to.String(), patience)
		return nil // a refusal may be what is asked for
	})
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { c.Close() })
	return &talk{c, bufio.NewReader(c)}, nil
}

// ask is who answered, and whom he saw.
func (c *talk) ask(length int) (who string, saw netip.Addr, err error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "%s\n", strings.Repeat("?", length-1)); err != nil {
		return "", saw, err
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return "", saw, err
	}
	var from string
	var n int
	if _, err := fmt.Sscan(line, &who, &from, &n); err != nil {
		return "", saw, fmt.Errorf("answer %q: %w", line, err)
	}
	if n != length {
		return "", saw, fmt.Errorf("of %d bytes, %d arrived", length, n)
	}
	saw, err = netip.ParseAddr(from)
	return who, saw, err
}

func (r *rig) ask(i int, network string, to netip.AddrPort) (who string, saw netip.Addr, err error) {
	r.t.Helper()
	c, err := r.dial(i, network, to)
	if err != nil {
		return "", saw, err
	}
	defer c.Close()
	return c.ask(2)
}

// each runs a test for both families and TCP and UDP.
func each(t *testing.T, f func(t *testing.T, family int, network string)) {
	for family, name := range []string{"IPv4", "IPv6"} {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(network+" over "+name, func(t *testing.T) { f(t, family, network) })
		}
	}
}
