package shares

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/nettest"
)

// MaxOfPod is how many connections one Pod can have to one port of a Service.
const MaxOfPod = 65536 - firstPort

const firstPort = 1024

// Open opens n connections, as many from each Pod, and says how many each backend
// got, by "address:port". What a busy machine loses on the way to Open vSwitch is sent
// again: what was not lost is then no new connection. There are no other groups, and
// the Service is at IPv4 addresses.
func Open(tb testing.TB, node *nettest.Node, protocol abi.Protocol, to netip.AddrPort, n int) map[string]int {
	tb.Helper()
	var share map[string]int
	for range 8 {
		for _, p := range node.Pods {
			nettest.Do(tb, p.NetNS, func() error { return open(protocol, p.Addresses[0], to, n/len(node.Pods)) })
		}
		node.OVS.Run("ovs-appctl", "revalidator/wait") // they count
		share = counted(tb, node)
		if Total(share) >= n*99/100 {
			break
		}
	}
	return share
}

// open sends the first packets of connections from as many ports.
func open(protocol abi.Protocol, from netip.Addr, to netip.AddrPort, n int) error {
	raw, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, int(protocol))
	if err != nil {
		return err
	}
	defer syscall.Close(raw)
	for i := range n {
		segment := first(protocol, netip.AddrPortFrom(from, uint16(firstPort+i)), to)
		if err := syscall.Sendto(raw, segment, 0, &syscall.SockaddrInet4{Addr: to.Addr().As4()}); err != nil {
			return err
		}
		if i%200 == 0 {
			time.Sleep(4 * time.Millisecond) // Open vSwitch reads from a buffer
		}
	}
	return nil
}

// first is an empty datagram, or a SYN.
func first(protocol abi.Protocol, from, to netip.AddrPort) []byte {
	segment := make([]byte, map[abi.Protocol]int{abi.UDP: 8, abi.TCP: 20}[protocol])
	be := binary.BigEndian
	be.PutUint16(segment, from.Port())
	be.PutUint16(segment[2:], to.Port())
	checksumAt := 6
	if protocol == abi.TCP {
		checksumAt = 16
		segment[12], segment[13] = 5<<4, 2 // five words, SYN
	} else {
		be.PutUint16(segment[4:], 8)
	}
	be.PutUint16(segment[checksumAt:], Checksum(protocol, from.Addr(), to.Addr(), segment))
	return segment
}

// Checksum is that of TCP and UDP over IP (RFC 9293, 3.1).
func Checksum(protocol abi.Protocol, from, to netip.Addr, segment []byte) uint16 {
	b := append(append(from.AsSlice(), to.AsSlice()...), 0, byte(protocol), 0, byte(len(segment)))
	b = append(b, segment...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
