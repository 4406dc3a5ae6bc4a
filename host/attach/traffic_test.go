package attach

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/nettest"
)

// TCP and UDP prove more than a ping in the userspace datapath: with checksum offload on in the Pod both are dead. And no
// packet arrives twice, as it would if the kernel also routed what ovs-vswitchd reads.
func TestTCPAndUDPWorkAndNothingPassesTwice(t *testing.T) {
	w := newWorld(t)
	w.serve()
	one, two := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "one", one, w.primary("c1", one, "4", "6")))
	w.must(w.sluice("ADD", "c2", "two", two, w.primary("c2", two, "4", "6")))
	w.settled()
	for _, c := range []struct{ from, to, address string }{
		{w.ns, one, "10.1.0.2"}, {w.ns, one, "fd00:1::2"}, {two, one, "10.1.0.2"}, {two, one, "fd00:1::2"}, {one, w.ns, "10.1.0.1"}, {one, w.ns, "fd00:1::1"},
	} {
		t.Run(fmt.Sprintf("tcp %s", c.address), func(t *testing.T) { overTCP(t, c.from, c.to, c.address) })
		t.Run(fmt.Sprintf("udp %s", c.address), func(t *testing.T) { overUDP(t, c.from, c.to, c.address) })
	}
	for _, address := range []string{"10.1.0.2", "fd00:1::2"} {
		out := nettest.Enter(t, two, "ping", "-c", "3", "-i", "0.05", "-w", "5", address)
		if strings.Contains(out, "DUP") || !strings.Contains(out, " 0% packet loss") {
			t.Errorf("ping: %s", out)
		}
	}
}

const size = 1 << 20 // more than one segment, so that segmentation offload would show

func overTCP(t *testing.T, from, to, address string) {
	var l net.Listener
	nettest.Do(t, to, func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(address, "0")); return err })
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}()
	var c net.Conn
	nettest.Do(t, from, func() (err error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, "tcp", l.Addr().String())
		return err
	})
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Error(err)
	}
	c.Close()
	if n := <-got; n != size {
		t.Errorf("%d bytes arrived of %d", n, size)
	}
}

func overUDP(t *testing.T, from, to, address string) {
	var l net.PacketConn
	nettest.Do(t, to, func() (err error) { l, err = net.ListenPacket("udp", net.JoinHostPort(address, "0")); return err })
	defer l.Close()
	var c net.Conn
	nettest.Do(t, from, func() (err error) { c, err = net.Dial("udp", l.LocalAddr().String()); return err })
	defer c.Close()
	const count = 5
	for range count {
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	buffer := make([]byte, 64)
	for n := 0; ; n++ {
		patience := 5 * time.Second
		if n == count {
			patience = 100 * time.Millisecond // long enough for a copy that took the other way
		}
		_ = l.SetReadDeadline(time.Now().Add(patience))
		if _, _, err := l.ReadFrom(buffer); err != nil {
			if n != count {
				t.Errorf("%d datagrams of %d arrived: %v", n, count, err)
			}
			return
		}
		if n == count {
			t.Errorf("a datagram arrived twice")
		}
	}
}
