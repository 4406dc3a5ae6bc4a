package services

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/nettest"
)

// An error about a translated packet says what the client knows: it comes for the
// connection to the Service, whoever it comes from.
func TestErrorsAboutATranslatedConnectionReachTheClient(t *testing.T) {
	r := newRig(t, 2)
	nettest.Run(r.t, "ip", "netns", "exec", r.NetNS, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	for family, beyond := range []netip.Addr{netip.MustParseAddr("172.31.9.9"), netip.MustParseAddr("fd31::9")} {
		nettest.Run(r.t, "ip", "-n", r.NetNS, "route", "add", "prohibit", nettest.Single(beyond))
		for _, c := range []struct {
			what   string
			server netip.Addr
			want   error
		}{
			{"another Pod", r.Pods[1].Addresses[family], syscall.ECONNREFUSED},
			{"the Pod itself", r.Pods[0].Addresses[family], syscall.ECONNREFUSED},
			{"a router", beyond, []error{syscall.EHOSTUNREACH, syscall.EACCES}[family]},
		} {
			s := r.service(abi.UDP, family)
			s.Backends = []netip.AddrPort{netip.AddrPortFrom(c.server, 8080)}
			r.put(s)
			if _, _, err := r.ask(0, "udp", s.Frontends[0].Address); !errors.Is(err, c.want) {
				t.Errorf("IPv%d, error from %s: %v, want %v", 4+2*family, c.what, err, c.want)
			}
		}
	}
}

// An error that the client sends is about what it got from the Service, and
// reaches the backend as one about what that sent.
func TestErrorsOfTheClientReachTheBackend(t *testing.T) {
	r := newRig(t, 2)
	for family := range 2 {
		s := r.service(abi.UDP, family, 1)
		r.put(s)
		var backend *net.UDPConn
		nettest.Do(t, r.Pods[1].NetNS, func() (err error) {
			backend, err = net.ListenUDP([]string{"udp4", "udp6"}[family], &net.UDPAddr{Port: 8080})
			return err
		})
		t.Cleanup(func() { backend.Close() })
		c, err := r.dial(0, "udp", s.Frontends[0].Address)
		r.must(err)
		_, err = c.Write([]byte("x"))
		r.must(err)
		r.must(backend.SetDeadline(time.Now().Add(patience)))
		_, client, err := backend.ReadFromUDPAddrPort(make([]byte, 10))
		r.must(err)
		raw, err := backend.SyscallConn()
		r.must(err)
		r.must(raw.Control(func(fd uintptr) { r.must(syscall.Connect(int(fd), sockaddr(client))) }))
		c.Close()
		_, err = backend.Write([]byte("y"))
		r.must(err)
		if _, err = backend.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("IPv%d: the backend hears %v, want connection refused", 4+2*family, err)
		}
	}
}

func sockaddr(a netip.AddrPort) syscall.Sockaddr {
	if a.Addr().Unmap().Is4() {
		return &syscall.SockaddrInet4{Addr: a.Addr().Unmap().As4(), Port: int(a.Port())}
	}
	return &syscall.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// A datagram in fragments that opens a connection goes to one backend, whole.
func TestADatagramInFragmentsReachesABackend(t *testing.T) {
	r := newRig(t, 3)
	r.listen(1, 8080)
	r.listen(2, 8080)
	for family := range 2 {
		s := r.service(abi.UDP, family, 1, 2)
		for _, affinity := range []time.Duration{0, time.Minute} {
			s.Affinity = affinity
			r.put(s)
			for range 8 {
				c, err := r.dial(0, "udp", s.Frontends[0].Address)
				r.must(err)
				for range 2 {
					if _, _, err := c.ask(5000); err != nil {
						t.Errorf("IPv%d, affinity %s: %v", 4+2*family, affinity, err)
					}
				}
			}
		}
	}
}
