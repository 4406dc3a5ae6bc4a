package services

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// A packet that opens an SCTP association with a Service goes to a backend. The
// userspace datapath has no conntrack for SCTP: there it goes on to the node as it
// was, and so to kube-proxy. (Kernels without SCTP have raw sockets for it.)
func TestSCTP(t *testing.T) {
	r := newRig(t, 2)
	for family, network := range []string{"ip4:132", "ip6:132"} {
		s := r.service(abi.SCTP, family, 1)
		r.put(s)
		where, want, port := r.Pods[1].NetNS, r.Pods[1].Addresses[family], uint16(8080)
		if ovstest.Datapath() == "netdev" {
			where, want, port = r.NetNS, vips[family], 80
			nettest.Run(t, "ip", "-n", r.NetNS, "addr", "add", nettest.Single(want), "dev", "lo")
		}
		client, server := r.raw(r.Pods[0].NetNS, network, r.Pods[0].Addresses[family]), r.raw(where, network, want)
		_, err := client.WriteTo(initChunk(4000, 80), &net.IPAddr{IP: vips[family].AsSlice()})
		r.must(err)
		r.must(server.SetReadDeadline(time.Now().Add(patience)))
		packet := make([]byte, 100)
		n, from, err := server.ReadFrom(packet)
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		if saw, _ := netip.AddrFromSlice(from.(*net.IPAddr).IP); saw.Unmap() != r.Pods[0].Addresses[family] {
			t.Errorf("%s: the client is seen as %s, want %s", network, saw, r.Pods[0].Addresses[family])
		}
		if source, dest := binary.BigEndian.Uint16(packet), binary.BigEndian.Uint16(packet[2:]); source != 4000 || dest != port {
			t.Errorf("%s: from port %d to port %d, want 4000 and %d", network, source, dest, port)
		}
		if !sumOK(packet[:n]) {
			t.Errorf("%s: the checksum of % x is wrong", network, packet[:n])
		}
	}
}

// raw is a socket for SCTP packets of an address.
func (r *rig) raw(ns, network string, address netip.Addr) (c net.PacketConn) {
	r.t.Helper()
	nettest.Do(r.t, ns, func() (err error) {
		c, err = net.ListenPacket(network, address.String())
		return err
	})
	r.t.Cleanup(func() { c.Close() })
	return c
}

// initChunk is the packet that opens an association (RFC 9260, 3.3.2).
func initChunk(from, to uint16) []byte {
	be := binary.BigEndian
	p := make([]byte, 12+20)
	be.PutUint16(p, from)
	be.PutUint16(p[2:], to)
	p[12] = 1                    // INIT
	be.PutUint16(p[14:], 20)     // of the chunk
	be.PutUint32(p[16:], 0x5ca1) // initiate tag
	be.PutUint32(p[20:], 65535)  // receiver window
	be.PutUint16(p[24:], 1)      // streams out
	be.PutUint16(p[26:], 1)      // streams in
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	return p
}

// sumOK: the checksum is that of the packet with none (RFC 9260, 6.8).
func sumOK(packet []byte) bool {
	bare := append([]byte(nil), packet...)
	clear(bare[8:12])
	return binary.LittleEndian.Uint32(packet[8:]) == crc32.Checksum(bare, crc32.MakeTable(crc32.Castagnoli))
}
