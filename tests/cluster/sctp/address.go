package sctp

import (
	"net"
	"strconv"
)

// SCTPAddr is an address and a port. Only the first address is used.
type SCTPAddr struct {
	IPAddrs []net.IPAddr
	Port    int
}

// Network implements net.Addr.
func (*SCTPAddr) Network() string { return "sctp" }

func (a *SCTPAddr) String() string { return net.JoinHostPort(a.ip().String(), strconv.Itoa(a.Port)) }

// ip is the address; without one, every address of IPv4.
func (a *SCTPAddr) ip() *net.IPAddr {
	if a == nil || len(a.IPAddrs) == 0 {
		return &net.IPAddr{IP: net.IPv4zero}
	}
	return &a.IPAddrs[0]
}

// ResolveSCTPAddr resolves "host:port"; a host that is empty is every address.
func ResolveSCTPAddr(_, address string) (*SCTPAddr, error) {
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	resolved := &SCTPAddr{Port: a.Port}
	if a.IP != nil {
		resolved.IPAddrs = []net.IPAddr{{IP: a.IP, Zone: a.Zone}}
	}
	return resolved, nil
}
