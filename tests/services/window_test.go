package services

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/shares"
)

// A segment outside of the window of a connection to a Service does not reach
// the client as one from somebody whom it does not know: it would answer with a
// reset, and end the connection. One of a connection that is no Service's arrives
// as ever.
func TestSegmentsOutsideOfTheWindow(t *testing.T) {
	r := newRig(t, 2)
	r.listen(1, 8080)
	r.serve(r.NetNS, "host", 8080)
	client := r.Pods[0].NetNS
	nettest.Enter(t, client, "nft", "add table inet seen; add chain inet seen in { type filter hook prerouting priority 0; }")
	families := []string{"ip", "ip6"}
	for family := range 2 {
		network := []string{"ip4:tcp", "ip6:tcp"}[family]
		for i, server := range []struct {
			name, ns string
			address  netip.Addr
		}{
			{"another Pod", r.Pods[1].NetNS, r.Pods[1].Addresses[family]},
			{"the host", r.NetNS, r.Addresses[family]},
		} {
			backend := netip.AddrPortFrom(server.address, 8080)
			s := r.service(abi.TCP, family)
			s.Backends = []netip.AddrPort{backend}
			r.put(s)
			for j, to := range []netip.AddrPort{s.Frontends[0].Address, backend} {
				c, err := r.dial(0, "tcp", to)
				r.must(err)
				_, _, err = c.ask(10)
				r.must(err)
				sequence := uint32(0x51000000 + family<<8 + i<<4 + j)
				nettest.Enter(t, client, "nft", fmt.Sprintf("add rule inet seen in %s saddr %s tcp sequence %d counter", families[family], server.address, sequence))
				from := r.raw(server.ns, network, server.address)
				own := netip.MustParseAddrPort(c.LocalAddr().String())
				_, err = from.WriteTo(outside(backend, own, sequence), &net.IPAddr{IP: own.Addr().AsSlice()})
				r.must(err)
				arrived := func() bool {
					return strings.Contains(nettest.Enter(t, client, "nft", "list", "chain", "inet", "seen", "in"), fmt.Sprintf("tcp sequence %d counter packets 1 ", sequence))
				}
				service := j == 0
				if !service {
					r.await("the segment of a connection that is no Service's", arrived)
				}
				for range 3 {
					if _, _, err = c.ask(10); err != nil {
						t.Errorf("IPv%d, %s, Service: %t: the connection has ended: %v", 4+2*family, server.name, service, err)
						break
					}
				}
				if service && arrived() {
					t.Errorf("IPv%d, %s: the client met the segment", 4+2*family, server.name)
				}
			}
		}
	}
}

// outside is a segment with data (RFC 9293, 3.1).
func outside(from, to netip.AddrPort, sequence uint32) []byte {
	b := make([]byte, 24)
	be := binary.BigEndian
	be.PutUint16(b, from.Port())
	be.PutUint16(b[2:], to.Port())
	be.PutUint32(b[4:], sequence)
	be.PutUint32(b[8:], sequence^0x0f0f0f0f)
	b[12], b[13] = 5<<4, 0x18 // five words; ACK, PSH
	be.PutUint16(b[14:], 1024)
	be.PutUint16(b[16:], shares.Checksum(abi.TCP, from.Addr(), to.Addr(), b))
	return b
}
