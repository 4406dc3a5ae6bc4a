package refuse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrSilence is why a packet gets no answer. What it wraps says more.
var ErrSilence = errors.New("not to be answered")

func silence(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSilence, fmt.Sprintf(format, args...))
}

// Kind of an answer.
type Kind string

// The kinds. They are values of a metric's label.
const (
	Reset  Kind = "reset"  // TCP RST
	ICMPv4 Kind = "icmp"   // type 3, destination unreachable
	ICMPv6 Kind = "icmpv6" // type 1, destination unreachable
)

// Ends are the MAC addresses of an answer.
type Ends struct {
	From, To net.HardwareAddr
}

const (
	ethHeader = 14
	ethIPv4   = 0x0800
	ethIPv6   = 0x86dd

	protoICMP   = 1
	protoTCP    = 6
	protoICMPv6 = 58

	hopLimit = 64 // as hosts send
)

// Answer builds the Ethernet frame that answers a rejected one. Its addresses and
// ports are the packet's own, exchanged; nothing is changed in frame. The MAC
// addresses are the caller's to know, as a pipeline may have rewritten those of frame.
//
// The error is ErrSilence if the packet must not be answered, or is too broken
// to be.
func Answer(frame []byte, ends Ends) ([]byte, Kind, error) { return answer(frame, ends, prohibited) }

// Unreachable is Answer for a packet that nobody rejects, and for which there is
// nobody either: an ICMP error says that the port is unreachable.
func Unreachable(frame []byte, ends Ends) ([]byte, Kind, error) { return answer(frame, ends, noPort) }

func answer(frame []byte, ends Ends, why reason) ([]byte, Kind, error) {
	p, err := read(frame)
	if err != nil {
		return nil, "", err
	}
	if err := p.answerable(frame); err != nil {
		return nil, "", err
	}
	out := make([]byte, 0, ethHeader+quoteV6)
	out = append(append(out, ends.To...), ends.From...)
	if p.protocol == protoTCP {
		segment, err := p.reset()
		if err != nil {
			return nil, "", err
		}
		return p.datagram(out, protoTCP, 0, segment), Reset, nil
	}
	if p.source.Is4() {
		return p.datagram(out, protoICMP, tosError, p.unreachableV4(why.codeV4)), ICMPv4, nil
	}
	return p.datagram(out, protoICMPv6, 0, p.unreachableV6(why.codeV6)), ICMPv6, nil
}

// answerable applies the rules against loops and storms.
func (p *packet) answerable(frame []byte) error {
	switch {
	case frame[0]&1 != 0:
		return silence("the frame was for more than one station")
	case !isHost(p.source):
		return silence("the source %s is not one host", p.source)
	case !isHost(p.destination):
		return silence("the destination %s is not one host", p.destination)
	case p.source == p.destination:
		return silence("source and destination are both %s", p.source)
	case p.laterFragment:
		return silence("a fragment that is not the first")
	case p.protocol == protoICMP && p.source.Is4():
		return p.icmpAnswerable(isErrorV4)
	case p.protocol == protoICMPv6 && p.source.Is6():
		return p.icmpAnswerable(isErrorV6)
	}
	return nil
}

func (p *packet) icmpAnswerable(isError func(icmpType byte) bool) error {
	if len(p.payload) == 0 {
		return silence("an ICMP message without a type")
	}
	if isError(p.payload[0]) {
		return silence("an ICMP error, type %d", p.payload[0])
	}
	return nil
}

// isErrorV4 names the error messages (RFC 1122, 3.2.2), and for safety every type
// that is not known to be a question or its answer.
func isErrorV4(icmpType byte) bool {
	switch icmpType {
	case 0, 8, 9, 10, 13, 14, 15, 16, 17, 18:
		return false
	}
	return true
}

// isErrorV6: types below 128 are errors (RFC 4443, 2.1); a redirect is treated as
// one (RFC 4443, 2.4 (e.2)).
func isErrorV6(icmpType byte) bool { return icmpType < 128 || icmpType == 137 }

// isHost says whether an address can be one host's, as far as it shows (RFC 1122,
// 3.2.1.3). The broadcast address of a subnet does not show: to it a frame is
// addressed to all stations.
func isHost(a netip.Addr) bool {
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return false
	}
	first := a.AsSlice()[0]
	return !a.Is4() || first != 0 && first < 240
}

// datagram puts an IP header, from the packet's destination to its source, before
// a payload whose checksum is already right.
func (p *packet) datagram(out []byte, protocol, tos byte, payload []byte) []byte {
	be := binary.BigEndian
	if p.source.Is4() {
		out = be.AppendUint16(out, ethIPv4)
		start := len(out)
		out = append(out, 0x45, tos)
		out = be.AppendUint16(out, uint16(20+len(payload)))
		out = append(out, 0, 0, 0x40, 0) // no identification is needed where nothing may fragment (RFC 6864)
		out = append(out, hopLimit, protocol, 0, 0)
		out = append(append(out, p.destination.AsSlice()...), p.source.AsSlice()...)
		be.PutUint16(out[start+10:], fold(sum(out[start:], 0)))
		return append(out, payload...)
	}
	out = be.AppendUint16(out, ethIPv6)
	out = append(out, 0x60, 0, 0, 0)
	out = be.AppendUint16(out, uint16(len(payload)))
	out = append(out, protocol, hopLimit)
	out = append(append(out, p.destination.AsSlice()...), p.source.AsSlice()...)
	return append(out, payload...)
}
