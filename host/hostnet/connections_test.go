package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Who opened a connection is told by who listens, and by the kind of port where nobody does any more.
func TestWhoOpenedAConnection(t *testing.T) {
	pod, other := net.ParseIP("10.1.0.2"), net.ParseIP("192.0.2.9")
	socket := func(state uint8, local, remote uint16) *netlink.Socket {
		return &netlink.Socket{State: state, ID: netlink.SocketID{Source: pod, SourcePort: local, Destination: other, DestinationPort: remote}}
	}
	const established, closeWait = 1, 8
	const in, out = "192.0.2.9 -> 10.1.0.2", "10.1.0.2 -> 192.0.2.9"
	for _, c := range []struct {
		name     string
		protocol uint8
		sockets  []*netlink.Socket
		want     []string
	}{
		{"client", unix.IPPROTO_TCP, []*netlink.Socket{socket(established, 40000, 80)}, []string{out}},
		{"server", unix.IPPROTO_TCP, []*netlink.Socket{socket(stateListen, 80, 0), socket(established, 80, 40000)}, []string{in}},
		{"server on a client's port", unix.IPPROTO_TCP, []*netlink.Socket{socket(stateListen, 40000, 0), socket(closeWait, 40000, 50000)}, []string{in}},
		{"server that no longer listens", unix.IPPROTO_TCP, []*netlink.Socket{socket(established, 80, 40000)}, []string{in}},
		{"client of a server on a client's port", unix.IPPROTO_TCP, []*netlink.Socket{socket(established, 40000, 50000)}, []string{out}},
		{"not open yet, or no more", unix.IPPROTO_TCP, []*netlink.Socket{socket(stateSynSent, 40000, 80), socket(stateTimeWait, 40001, 80), socket(stateClose, 40002, 80)}, nil},
		{"UDP client", unix.IPPROTO_UDP, []*netlink.Socket{socket(established, 40000, 53)}, []string{out}},
		{"UDP server", unix.IPPROTO_UDP, []*netlink.Socket{socket(stateClose, 53, 0), socket(established, 53, 40000)}, []string{in}},
	} {
		var got []string
		for _, found := range connectionsOf(c.protocol, c.sockets, []netip.Addr{netip.MustParseAddr("10.1.0.2")}, portRange{32768, 60999}) {
			got = append(got, fmt.Sprintf("%s -> %s", found.Client.Addr(), found.Server.Addr()))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The kernel's answer for real sockets: both families, and IPv4 over an IPv6 socket.
func TestConnectionsOfAPod(t *testing.T) {
	n := newNode(t)
	var open []interface{ Close() error }
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	inPath(t, n.pod, func() error {
		l, err := net.Listen("tcp", "[::]:8080") // answers IPv4 too
		if err != nil {
			return err
		}
		open = append(open, l)
		for _, address := range []string{"10.1.0.2", "fd00:1::2", "127.0.0.1"} { // to itself is as good as from elsewhere
			c, err := net.Dial("tcp", net.JoinHostPort(address, "8080"))
			if err != nil {
				return err
			}
			accepted, err := l.Accept()
			if err != nil {
				return err
			}
			u, err := net.Dial("udp", net.JoinHostPort(address, "53"))
			if err != nil {
				return err
			}
			open = append(open, c, accepted, u)
		}
		return nil
	})
	found, err := Connections(n.pod, podAddresses)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range found {
		got = append(got, fmt.Sprintf("%d %s:%d", c.Protocol, c.Server.Addr(), c.Server.Port()))
	}
	slices.Sort(got)
	want := []string{"17 10.1.0.2:53", "17 fd00:1::2:53", "6 10.1.0.2:8080", "6 fd00:1::2:8080"}
	if !slices.Equal(got, want) { // each end shows the connection; it is listed once, and loopback is no Pod address
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFindPodByItsRoute(t *testing.T) {
	n := &node{ns: newNS(t), pod: newNS(t)}
	ipIn(t, n.ns, "link add veth0 type veth peer name eth0 netns "+filepath.Base(n.pod)+"\nlink set veth0 up")
	var err error
	if n.Host, err = At(n.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	want := PodEnd{Netns: n.pod, IfName: "eth0"}
	find := func(what string, addresses ...netip.Addr) {
		t.Helper()
		if got, err := n.FindPod(addresses); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	for _, a := range podAddresses {
		ipIn(t, n.ns, fmt.Sprintf("route replace %s dev veth0", a))
		find(a.String(), a)
		ipIn(t, n.ns, fmt.Sprintf("route del %s dev veth0\nroute add %s dev veth0 table 17", a, a))
		find(a.String()+" in another table", a)
		ipIn(t, n.ns, fmt.Sprintf("route del %s dev veth0 table 17", a))
	}
	var told *VethError
	if _, err := n.FindPod(podAddresses); err == nil || !asVeth(err, &told) || told.Problem != NoInterface || told.Remedy == "" {
		t.Errorf("without a route: %v", err)
	}
	ipIn(t, n.ns, "link add d0 type bridge\nlink set d0 up\nroute add 10.1.0.2 dev d0")
	if _, err := n.FindPod(podAddresses); err == nil || !asVeth(err, &told) || told.Problem != NoInterface {
		t.Errorf("a route to something else: %v", err)
	}
	ipIn(t, n.ns, "link add v8 type veth peer name v9\nlink set v8 up\nlink set v9 up\nroute replace 10.1.0.2 dev v8")
	if _, err := n.FindPod(podAddresses); err == nil || !asVeth(err, &told) || told.Problem != PeerElsewhere {
		t.Errorf("a veth with both ends on the node: %v", err)
	}
}

func asVeth(err error, into **VethError) bool { return errors.As(err, into) }

// inPath runs fn on a thread in the namespace; sockets made there stay there.
func inPath(t *testing.T, path string, fn func() error) {
	t.Helper()
	ns, err := netns.GetFromPath(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := in(ns, fn); err != nil {
		t.Fatal(err)
	}
}
