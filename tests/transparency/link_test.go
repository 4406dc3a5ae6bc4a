package transparency

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/lab"
)

// device is what of a network device matters here.
type device struct {
	mac       net.HardwareAddr
	linkLocal netip.Addr
}

// deviceOf looks at a device of an end.
func deviceOf(t *testing.T, l *lab.Lab, end, name string) device {
	t.Helper()
	var d device
	in(t, l, end, func() error {
		link, err := net.InterfaceByName(name)
		if err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
		addresses, err := link.Addrs()
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", name, err)
		}
		d.mac = link.HardwareAddr
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() {
				d.linkLocal = prefix.Addr()
			}
		}
		return nil
	})
	if !d.linkLocal.IsValid() {
		t.Fatalf("%s: %s has no link-local address", end, name)
	}
	return d
}

// sendFrames sends Ethernet frames, as they are, from the Pod's device.
func sendFrames(t *testing.T, l *lab.Lab, pod string, frames ...[]byte) {
	t.Helper()
	in(t, l, pod, func() (err error) {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unix.Close(fd)) }()
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
				return fmt.Errorf("sending a frame: %w", err)
			}
		}
		return nil
	})
}

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func ethernet(dst, src net.HardwareAddr, kind uint16, payload []byte) []byte {
	f := append(append([]byte(nil), dst...), src...)
	return append(append(f, byte(kind>>8), byte(kind)), payload...)
}

// arp is an ARP packet (RFC 826).
type arp struct {
	op       uint16
	sha, tha net.HardwareAddr
	spa, tpa netip.Addr
}

func (a arp) bytes() []byte {
	b := []byte{0, 1, 8, 0, 6, 4, byte(a.op >> 8), byte(a.op)}
	b = append(append(b, a.sha...), a.spa.AsSlice()...)
	return append(append(b, a.tha...), a.tpa.AsSlice()...)
}

func readARP(f frame) (arp, bool) {
	if f.etherType() != unix.ETH_P_ARP || len(f.data) < 42 {
		return arp{}, false
	}
	b := f.data[14:]
	return arp{
		op: uint16(b[6])<<8 | uint16(b[7]), sha: b[8:14], spa: netip.AddrFrom4([4]byte(b[14:18])),
		tha: b[18:24], tpa: netip.AddrFrom4([4]byte(b[24:28])),
	}, true
}

// neighbour is a message of neighbour discovery (RFC 4861) with one option that
// holds a MAC address. The hop limit is 255, as it must be.
func neighbour(src, dst netip.Addr, kind uint8, rest uint32, body []byte, option uint8, mac net.HardwareAddr) []byte {
	payload := append([]byte(nil), body...)
	if option != 0 {
		payload = append(append(payload, option, 1), mac...)
	}
	return ipPacket(src, dst, 0, protoICMPv6, header{ttl: 255}, icmp(src, dst, kind, 0, rest, payload))
}

// solicitedNode is the multicast group in which the owner of an address listens
// (RFC 4291), groupMAC where such packets go (RFC 2464).
func solicitedNode(a netip.Addr) netip.Addr {
	b, group := a.As16(), netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], b[13:])
	return netip.AddrFrom16(group)
}

func groupMAC(group netip.Addr) net.HardwareAddr {
	b := group.As16()
	return net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// readICMPv6 gives type and body of an ICMPv6 message.
func readICMPv6(f frame) (p parsed, kind uint8, ok bool) {
	if f.etherType() != unix.ETH_P_IPV6 {
		return p, 0, false
	}
	p, err := parse(f.data[14:])
	if err != nil || p.proto != protoICMPv6 || len(p.payload) < 8 {
		return p, 0, false
	}
	return p, p.payload[0], true
}
