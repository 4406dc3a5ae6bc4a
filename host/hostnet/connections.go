package hostnet

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Connection is a connection that a socket stands for. Client opened it.
type Connection struct {
	Protocol       uint8 // IANA number: 6 is TCP, 17 is UDP
	Client, Server netip.AddrPort
}

// String reads "TCP 10.0.0.1:4000 -> 10.0.0.2:80".
func (c Connection) String() string {
	name := map[uint8]string{unix.IPPROTO_TCP: "TCP", unix.IPPROTO_UDP: "UDP"}[c.Protocol]
	return fmt.Sprintf("%s %s -> %s", name, c.Client, c.Server)
}

// Socket states (include/net/tcp_states.h of Linux). A UDP socket without a peer is closed.
const (
	stateSynSent  = 2
	stateTimeWait = 6
	stateClose    = 7
	stateListen   = 10
)

// Connections lists the TCP connections, and the UDP sockets with a peer, that end in a Pod at one of its addresses
// (sock_diag(7)). The kernel does not keep who opened a connection: the Pod is the server if a socket of it waits for
// others on the same port; or if the port is none that the kernel gives to clients, and the other end's is one.
func Connections(netnsPath string, addresses []netip.Addr) ([]Connection, error) {
	ns, err := netns.GetFromPath(netnsPath)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", netnsPath, err)
	}
	defer ns.Close()
	var found []Connection
	err = in(ns, func() error {
		ephemeral, err := ephemeralPorts()
		if err != nil {
			return err
		}
		for _, protocol := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			sockets, err := socketsOf(protocol)
			if err != nil {
				return err
			}
			found = append(found, connectionsOf(protocol, sockets, addresses, ephemeral)...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the sockets in %s: %w", netnsPath, err)
	}
	return found, nil
}

// socketsOf reads both families, in the thread's namespace.
func socketsOf(protocol uint8) (sockets []*netlink.Socket, err error) {
	dump := netlink.SocketDiagTCP
	if protocol == unix.IPPROTO_UDP {
		dump = netlink.SocketDiagUDP
	}
	for _, fam := range []uint8{unix.AF_INET, unix.AF_INET6} {
		list, err := complete(func() ([]*netlink.Socket, error) { return dump(fam) })
		if errors.Is(err, unix.ENOENT) {
			return nil, errors.New("this kernel cannot list them: load the modules inet_diag, tcp_diag and udp_diag")
		}
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, list...)
	}
	return sockets, nil
}

// portRange is what the kernel chooses from for a client.
type portRange struct{ first, last uint16 }

func (r portRange) has(port uint16) bool { return port >= r.first && port <= r.last }

func ephemeralPorts() (r portRange, err error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return r, err
	}
	_, err = fmt.Sscan(string(text), &r.first, &r.last)
	return r, err
}

func connectionsOf(protocol uint8, sockets []*netlink.Socket, addresses []netip.Addr, ephemeral portRange) []Connection {
	waiting := map[uint16]bool{}
	for _, s := range sockets {
		if s.State == stateListen || s.State == stateClose && protocol == unix.IPPROTO_UDP {
			waiting[s.ID.SourcePort] = true
		}
	}
	var found []Connection
	for _, s := range sockets {
		local := netip.AddrPortFrom(addrOf(s.ID.Source), s.ID.SourcePort)
		remote := netip.AddrPortFrom(addrOf(s.ID.Destination), s.ID.DestinationPort)
		switch s.State {
		case stateSynSent, stateTimeWait, stateClose, stateListen:
			continue
		}
		if remote.Port() == 0 || !slices.Contains(addresses, local.Addr()) || remote.Addr().IsLinkLocalUnicast() && remote.Addr().Is6() {
			continue
		}
		c := Connection{Protocol: protocol, Client: local, Server: remote}
		if waiting[local.Port()] || !ephemeral.has(local.Port()) && ephemeral.has(remote.Port()) {
			c.Client, c.Server = remote, local
		}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b Connection) int {
		return cmp.Or(a.Client.Compare(b.Client), a.Server.Compare(b.Server))
	})
	return slices.Compact(found)
}
