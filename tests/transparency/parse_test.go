package transparency

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// parsed is an IP packet, taken apart as far as tests look at it. Slices are
// parts of the packet.
type parsed struct {
	v6         bool
	src, dst   netip.Addr
	ttl, tos   uint8
	number     uint32 // IPv4 identification, IPv6 flow label
	fragmentID uint32 // of a fragment
	offset     int    // of a fragment, bytes
	isFragment bool
	more       bool
	df         bool
	proto      uint8
	length     int    // of the whole packet, by its header
	options    []byte // of IPv4
	payload    []byte // after all headers of IP
}

// parse understands an IP packet. What is behind its length (padding of the
// link) is left out.
func parse(b []byte) (parsed, error) {
	var p parsed
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		header := int(b[0]&15) * 4
		p.length = int(binary.BigEndian.Uint16(b[2:]))
		if header < 20 || p.length < header || len(b) < header {
			return p, fmt.Errorf("an IPv4 header of %d bytes in a packet of %d", header, p.length)
		}
		p.tos, p.ttl, p.proto = b[1], b[8], b[9]
		p.number = uint32(binary.BigEndian.Uint16(b[4:]))
		p.df, p.more = b[6]&0x40 != 0, b[6]&0x20 != 0
		p.offset = int(binary.BigEndian.Uint16(b[6:])&0x1fff) * 8
		p.isFragment, p.fragmentID = p.more || p.offset != 0, p.number
		p.src, p.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		p.options, p.payload = b[20:header], b[header:min(p.length, len(b))]
	case len(b) >= 40 && b[0]>>4 == 6:
		word := binary.BigEndian.Uint32(b)
		p.v6, p.tos, p.number, p.ttl = true, byte(word>>20), word&0xfffff, b[7]
		p.length = 40 + int(binary.BigEndian.Uint16(b[4:]))
		p.src, p.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		p.proto, p.payload = b[6], b[40:min(p.length, len(b))]
		p.skipExtensions()
	default:
		return p, fmt.Errorf("%d bytes that are no IP packet", len(b))
	}
	return p, nil
}

// skipExtensions moves proto and payload behind the extension headers.
func (p *parsed) skipExtensions() {
	for range 8 {
		length := 8
		switch p.proto {
		case protoHopByHop, protoOptions:
			if len(p.payload) < 8 {
				return
			}
			length += int(p.payload[1]) * 8
		case protoFragment:
			if len(p.payload) < 8 {
				return
			}
			p.isFragment, p.fragmentID = true, binary.BigEndian.Uint32(p.payload[4:])
			p.offset = int(binary.BigEndian.Uint16(p.payload[2:]) &^ 7)
			p.more = p.payload[3]&1 != 0
		default:
			return
		}
		if len(p.payload) < length {
			return
		}
		p.proto, p.payload = p.payload[0], p.payload[length:]
		if p.isFragment && p.offset > 0 {
			return
		}
	}
}

// icmpError gives the packet that an ICMP error is about.
func (p *parsed) icmpError() (about []byte, ok bool) {
	if p.offset > 0 || len(p.payload) < 8 {
		return nil, false
	}
	kind := p.payload[0]
	switch {
	case p.proto == protoICMP && (kind >= 3 && kind <= 5 || kind == 11 || kind == 12),
		p.proto == protoICMPv6 && kind < 128:
		return p.payload[8:], true
	}
	return nil, false
}

// ports are those of the transport header, or twice the identifier of an echo.
func (p *parsed) ports() (from, to uint16, ok bool) {
	if p.offset > 0 || len(p.payload) < 8 {
		return 0, 0, false
	}
	switch p.proto {
	case protoTCP, protoUDP, protoSCTP:
		return binary.BigEndian.Uint16(p.payload), binary.BigEndian.Uint16(p.payload[2:]), true
	case protoICMP, protoICMPv6:
		if _, isError := p.icmpError(); !isError {
			id := binary.BigEndian.Uint16(p.payload[4:])
			return id, id, true
		}
	}
	return 0, 0, false
}

// describe writes a packet in one line.
func describe(b []byte) string {
	p, err := parse(b)
	if err != nil {
		return err.Error()
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s > %s ttl %d tos %#02x length %d number %#x", p.src, p.dst, p.ttl, p.tos, p.length, p.number)
	if p.df {
		s.WriteString(" DF")
	}
	if len(p.options) > 0 {
		fmt.Fprintf(&s, " options %x", p.options)
	}
	if p.isFragment {
		fmt.Fprintf(&s, " fragment %#x at %d more %v", p.fragmentID, p.offset, p.more)
	}
	from, to, ok := p.ports()
	switch about, isError := p.icmpError(); {
	case isError:
		fmt.Fprintf(&s, " ICMP error type %d code %d rest %x about { %s }", p.payload[0], p.payload[1], p.payload[4:8], describe(about))
	case p.offset > 0 || len(p.payload) < 8:
		fmt.Fprintf(&s, " protocol %d", p.proto)
	case p.proto == protoTCP && len(p.payload) >= 20:
		fmt.Fprintf(&s, " TCP %d > %d seq %d ack %d flags %#x sum %x", from, to, binary.BigEndian.Uint32(p.payload[4:]),
			binary.BigEndian.Uint32(p.payload[8:]), p.payload[13], p.payload[16:18])
	case p.proto == protoICMP || p.proto == protoICMPv6:
		fmt.Fprintf(&s, " ICMP type %d code %d rest %x", p.payload[0], p.payload[1], p.payload[4:8])
	case ok:
		fmt.Fprintf(&s, " protocol %d, port %d > %d", p.proto, from, to)
	default:
		fmt.Fprintf(&s, " protocol %d", p.proto)
	}
	return s.String()
}
