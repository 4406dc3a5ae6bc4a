package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A socket belongs to the namespace of the thread that makes it, and to no
// thread afterwards. So sockets are made inside namespace.do and used from
// ordinary goroutines.

// transport says how a protocol's sockets are made.
type transport struct {
	kind, protocol int
}

func transportOf(protocol string) (transport, error) {
	switch protocol {
	case "TCP":
		return transport{unix.SOCK_STREAM, unix.IPPROTO_TCP}, nil
	case "UDP":
		return transport{unix.SOCK_DGRAM, unix.IPPROTO_UDP}, nil
	case "SCTP":
		return transport{unix.SOCK_STREAM, unix.IPPROTO_SCTP}, nil
	}
	return transport{}, fmt.Errorf("protocol %q: a lab knows TCP, UDP and SCTP", protocol)
}

// hasSCTP tells whether the kernel has SCTP sockets.
func hasSCTP() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return fmt.Errorf("this kernel has no SCTP sockets: %w", err)
	}
	return unix.Close(fd)
}

// socket makes a non-blocking socket in the namespace.
func (n *namespace) socket(address netip.AddrPort, protocol string) (fd int, name unix.Sockaddr, err error) {
	how, err := transportOf(protocol)
	if err != nil {
		return -1, nil, err
	}
	family := unix.AF_INET
	if address.Addr().Is6() {
		family = unix.AF_INET6
		name = &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	} else {
		name = &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	}
	err = n.do(func() (err error) {
		fd, err = unix.Socket(family, how.kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, how.protocol)
		return os.NewSyscallError("socket", err)
	})
	return fd, name, err
}

// listenSocket binds a socket to the address.
func (n *namespace) listenSocket(address netip.AddrPort, protocol string) (*os.File, error) {
	fd, name, err := n.socket(address, protocol)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), protocol+" "+address.String())
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, name)
	}
	if err == nil && protocol != "UDP" {
		err = unix.Listen(fd, 256)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening on %s %s: %w", protocol, address, err), file.Close())
	}
	return file, nil
}

func (n *namespace) listenStream(address netip.AddrPort, protocol string) (net.Listener, error) {
	file, err := n.listenSocket(address, protocol)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the listener has a copy
	return net.FileListener(file)
}

func (n *namespace) listenPacket(address netip.AddrPort) (*net.UDPConn, error) {
	file, err := n.listenSocket(address, "UDP")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the connection has a copy
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// connect connects to the address until the deadline. The file that it gives
// reads and writes like a connection, deadlines included.
func (n *namespace) connect(address netip.AddrPort, protocol string, deadline time.Time) (*os.File, error) {
	fd, name, err := n.socket(address, protocol)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, name)
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return nil, errors.Join(os.NewSyscallError("connect", err), unix.Close(fd))
	}
	file := os.NewFile(uintptr(fd), protocol+" "+address.String())
	if err := file.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if protocol == "UDP" {
		return file, nil
	}
	if err := connected(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// connected waits for the outcome of a connect that is in progress: the socket
// becomes writable when it is known (connect(2), EINPROGRESS).
func connected(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var outcome error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			outcome = os.NewSyscallError("getsockopt", err)
		case code != 0:
			outcome = os.NewSyscallError("connect", unix.Errno(code))
		default:
			_, err := unix.Getpeername(int(fd))
			return err == nil // ENOTCONN: not yet
		}
		return true
	})
	if outcome != nil {
		return outcome
	}
	return err
}
