package sctp

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server as agnhost's porter, and one as its netexec: each answers who comes.
func serve(t *testing.T, address string) *SCTPAddr {
	t.Helper()
	a, err := ResolveSCTPAddr("sctp", address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ListenSCTP("sctp", a)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("raw sockets need CAP_NET_RAW")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.AcceptSCTP()
			if err != nil {
				return
			}
			go func() {
				b := make([]byte, 100)
				n, err := conn.Read(b)
				if err == nil {
					_, _ = conn.Write([]byte("you said " + string(b[:n])))
				}
				_ = conn.Close()
			}()
		}
	}()
	return a
}

func TestAssociation(t *testing.T) {
	for _, address := range []string{"127.0.0.1:9003", "[::1]:9003"} {
		if ip, _, _ := net.SplitHostPort(address); ip == "::1" {
			if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
				continue
			}
		}
		server := serve(t, address)
		for _, said := range []string{"hostname", strings.Repeat("x", 77)} { // with and without padding
			conn, err := DialSCTP("sctp", nil, server)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(said)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			n, err := conn.Read(b)
			if got := string(b[:n]); err != nil || got != "you said "+said {
				t.Errorf("%s: got %q, %v", address, got, err)
			}
			if _, err := conn.Read(b); !errors.Is(err, io.EOF) {
				t.Errorf("%s: after the last message: %v", address, err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A server that has said its own and closes, as agnhost's porter does, still hears a
// client that is slow to speak.
func TestSlowClient(t *testing.T) {
	a, err := ResolveSCTPAddr("sctp", "127.0.0.1:9005")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ListenSCTP("sctp", a)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("raw sockets need CAP_NET_RAW")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.AcceptSCTP()
		if err == nil {
			_, err = conn.Write([]byte("foo"))
			err = errors.Join(err, conn.Close())
		}
		served <- err
	}()
	conn, err := DialSCTP("sctp", nil, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.wait(time.Now().Add(5*time.Second), func() bool { return conn.ended }); err != nil {
		t.Fatal("the server does not close: ", err)
	}
	if _, err := conn.Write([]byte("hostname")); err != nil {
		t.Error(err)
	}
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "foo" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Who listens on another port does not hear it, and who calls is not left waiting.
func TestSilence(t *testing.T) {
	server := serve(t, "127.0.0.1:9003")
	other := &SCTPAddr{IPAddrs: server.IPAddrs, Port: 9004}
	if _, err := DialSCTP("sctp", nil, other); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("got %v", err)
	}
	conn, err := DialSCTP("sctp", nil, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// The checksum is the one of RFC 9260, and a packet with another one is none.
func TestChecksum(t *testing.T) {
	packet := encode(header{0x8000, 0x2323, 0x01020304}, chunk{kind: chunkCookieAck})
	if h, ok := decode(packet); !ok || h.to != 0x2323 {
		t.Errorf("%s is not read: %+v", hex.EncodeToString(packet), h)
	}
	packet[4]++
	if _, ok := decode(packet); ok {
		t.Error("a packet with another checksum is read")
	}
	// CRC32c of 32 zero bytes (RFC 9260, appendix A; RFC 7143, section 13.1).
	if sum := checksum(make([]byte, 32)); sum != 0x8a9136aa {
		t.Errorf("the checksum of zeros is %x", sum)
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(encode(header{1, 2, 3}, chunk{kind: chunkInit, value: parameter(initValue(1, 2), stateCookie, []byte("c"))}))
	f.Fuzz(func(_ *testing.T, p []byte) {
		if len(p) < headerSize {
			return
		}
		for c := range chunks(p) {
			if len(c.value) >= initSize {
				findParameter(c.value[initSize:], stateCookie)
			}
		}
	})
}
