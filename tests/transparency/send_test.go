package transparency

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/lab"
)

// sender sends IP packets, written by the test, through the routes of an end.
type sender struct {
	end    string
	v4, v6 int
}

// newSender starts a sender, which ends with the test. The kernel writes nothing
// into its packets but what is already there (length and checksum of IPv4
// headers), and takes no notice of what it learned about MTUs of paths.
func newSender(t *testing.T, l *lab.Lab, end string) *sender {
	t.Helper()
	s := &sender{end: end, v4: -1, v6: -1}
	in(t, l, end, func() error {
		var err4, err6 error
		s.v4, err4 = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		s.v6, err6 = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return errors.Join(err4, err6)
	})
	t.Cleanup(func() { _ = unix.Close(s.v4); _ = unix.Close(s.v6) })
	err := errors.Join(
		unix.SetsockoptInt(s.v4, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE),
		unix.SetsockoptInt(s.v6, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
		unix.SetsockoptInt(s.v4, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20),
		unix.SetsockoptInt(s.v6, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20))
	if err != nil {
		t.Fatalf("%s: setting up raw sockets: %v", end, err)
	}
	return s
}

func (s *sender) send(packet []byte) error {
	p, err := parse(packet)
	if err != nil {
		return err
	}
	if p.v6 {
		return unix.Sendto(s.v6, packet, 0, &unix.SockaddrInet6{Addr: p.dst.As16()})
	}
	return unix.Sendto(s.v4, packet, 0, &unix.SockaddrInet4{Addr: p.dst.As4()})
}

// ordinary sends a datagram (from the port that is the number) or an echo
// request, as programs do: source address, headers and fragments are the
// kernel's.
func ordinary(l *lab.Lab, end string, to netip.Addr, proto int, number, port uint16, payload []byte) error {
	return l.In(end, func() error {
		family, level, discover, wanted := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT
		var own, peer unix.Sockaddr = &unix.SockaddrInet4{Port: int(number)}, &unix.SockaddrInet4{Port: int(port)}
		if to.Is6() {
			family, level, discover, wanted = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT
			own, peer = &unix.SockaddrInet6{Port: int(number)}, &unix.SockaddrInet6{Port: int(port), Addr: to.As16()}
		} else {
			peer.(*unix.SockaddrInet4).Addr = to.As4()
		}
		kind := unix.SOCK_DGRAM
		if proto != unix.IPPROTO_UDP {
			kind = unix.SOCK_RAW
			own, peer = nil, withoutPort(peer)
		}
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, level, discover, wanted); err != nil {
			return err
		}
		if own != nil {
			if err := unix.Bind(fd, own); err != nil {
				return err
			}
		}
		return unix.Sendto(fd, payload, 0, peer)
	})
}

// withoutPort: raw sockets of IPv6 take the port for a protocol.
func withoutPort(a unix.Sockaddr) unix.Sockaddr {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		a.Port = 0
	case *unix.SockaddrInet6:
		a.Port = 0
	}
	return a
}
