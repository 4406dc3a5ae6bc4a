package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/sluice-net/sluice/host/lab"
)

// Where a measurement's traffic goes, besides what the lab itself listens on.
const (
	streamPort = 9001 // TCP
	packetPort = 9002 // UDP
)

// starting is for how long a flow runs before it is measured.
const starting = 75 * time.Millisecond

// link is a pair of ends of a lab between which traffic is measured.
type link struct {
	lab      *lab.Lab
	from, to string
	address  netip.Addr // of to
}

func (l link) streamTo() string { return netip.AddrPortFrom(l.address, streamPort).String() }
func (l link) packetTo() string { return netip.AddrPortFrom(l.address, packetPort).String() }

// listen accepts connections at the far end until the measurement ends, and
// gives each to serve.
func (l link) listen(tb testing.TB, serve func(*net.TCPConn)) (stop func()) {
	tb.Helper()
	var listener *net.TCPListener
	err := l.lab.In(l.to, func() (err error) {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.address, streamPort)))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); serve(conn) }()
		}
	}()
	return func() { listener.Close(); <-ended }
}

func (l link) connect() (conn *net.TCPConn, err error) {
	err = l.lab.In(l.from, func() error {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).Dial("tcp", l.streamTo())
		if err == nil {
			conn = c.(*net.TCPConn)
		}
		return err
	})
	return conn, err
}

// throughput sends over one TCP connection for a while, and gives what arrived,
// in Mbit/s. Writes are large, so that the sender is not what limits it.
func (l link) throughput(tb testing.TB, lasts time.Duration) float64 {
	tb.Helper()
	var arrived atomic.Int64
	stop := l.listen(tb, func(c *net.TCPConn) {
		for buffer := make([]byte, 1<<20); ; {
			n, err := c.Read(buffer)
			arrived.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	defer stop()
	conn, err := l.connect()
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	sent := make(chan error, 1)
	go func() {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := conn.Write(chunk); err != nil {
				sent <- err
				return
			}
		}
	}()
	time.Sleep(starting) // while the congestion window grows
	before, begin := arrived.Load(), time.Now()
	time.Sleep(lasts)
	bits := 8 * float64(arrived.Load()-before)
	took := time.Since(begin)
	conn.Close()
	if err := <-sent; !errors.Is(err, net.ErrClosed) {
		tb.Fatalf("%s -> %s: the stream ended by itself: %v", l.from, l.to, err)
	}
	return bits / took.Seconds() / 1e6
}

// smallest is the payload of a UDP datagram in the smallest Ethernet frame:
// 64 bytes with header and checksum of Ethernet, IPv4 and UDP (IEEE 802.3).
const smallest = 64 - 14 - 4 - 20 - 8

// packets sends the smallest datagrams as fast as it can, 64 to a system call
// (sendmmsg(2)), and gives how many arrive, in 1/s.
func (l link) packets(tb testing.TB, lasts time.Duration) float64 {
	tb.Helper()
	var receiver, sender *net.UDPConn
	err := l.lab.In(l.to, func() (err error) {
		receiver, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.address, packetPort)))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer receiver.Close()
	err = l.lab.In(l.from, func() error {
		c, err := net.Dial("udp4", l.packetTo())
		if err == nil {
			sender = c.(*net.UDPConn)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer sender.Close()
	if err := receiver.SetReadBuffer(4 << 20); err != nil {
		tb.Fatal(err)
	}
	var arrived atomic.Int64
	go func() {
		in, batch := ipv4.NewPacketConn(receiver), messages(256)
		for {
			n, err := in.ReadBatch(batch, 0)
			if err != nil {
				return
			}
			arrived.Add(int64(n))
		}
	}()
	// The switch meets the connection before the flood: what it makes of a flood of first packets is another question.
	for begin := time.Now(); arrived.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			tb.Fatalf("%s -> %s: no datagram arrives", l.from, l.to)
		}
		_, _ = sender.Write(make([]byte, smallest))
	}
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out, batch := ipv4.NewPacketConn(sender), messages(64)
		for ctx.Err() == nil {
			_, _ = out.WriteBatch(batch, 0) // what cannot be sent does not arrive
		}
	}()
	time.Sleep(starting)
	before, begin := arrived.Load(), time.Now()
	time.Sleep(lasts)
	n, took := arrived.Load()-before, time.Since(begin)
	cancel()
	<-ended
	if n == 0 {
		tb.Fatalf("%s -> %s: of a flood no datagram arrives", l.from, l.to)
	}
	return float64(n) / took.Seconds()
}

func messages(n int) []ipv4.Message {
	list := make([]ipv4.Message, n)
	for i := range list {
		list[i].Buffers = [][]byte{make([]byte, smallest)}
	}
	return list
}

// roundTrip sends a byte there and back over TCP, again and again, and gives the
// median, in microseconds.
func (l link) roundTrip(tb testing.TB, lasts time.Duration) float64 {
	tb.Helper()
	stop := l.listen(tb, func(c *net.TCPConn) {
		for one := make([]byte, 1); ; {
			if _, err := c.Read(one); err != nil {
				return
			}
			if _, err := c.Write(one); err != nil {
				return
			}
		}
	})
	defer stop()
	conn, err := l.connect()
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	var times []time.Duration
	one := make([]byte, 1)
	for begin := time.Now(); time.Since(begin) < lasts; {
		start := time.Now()
		if _, err := conn.Write(one); err != nil {
			tb.Fatal(err)
		}
		if _, err := conn.Read(one); err != nil {
			tb.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	return 1000 * percentile(times, 50)
}

// connections opens a TCP connection, waits for a byte from the other end and
// closes it, again and again, and gives how many there were, in 1/s.
func (l link) connections(tb testing.TB, lasts time.Duration) float64 {
	tb.Helper()
	stop := l.listen(tb, func(c *net.TCPConn) {
		_ = c.SetLinger(0) // no port waits afterwards; an error shows in the client
		_, _ = c.Write([]byte("x"))
		_, _ = c.Read(make([]byte, 1))
	})
	defer stop()
	count, begin := 0, time.Now()
	err := l.lab.In(l.from, func() error { // one visit to the namespace for all
		one := make([]byte, 1)
		for ; time.Since(begin) < lasts; count++ {
			c, err := net.DialTimeout("tcp", l.streamTo(), 10*time.Second)
			if err != nil {
				return err
			}
			_, err = c.Read(one)
			if err := errors.Join(err, c.(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(fmt.Errorf("%s -> %s, connection %d: %w", l.from, l.to, count, err))
	}
	return float64(count) / time.Since(begin).Seconds()
}
