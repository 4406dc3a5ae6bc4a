package refuse

import (
	"encoding/binary"
	"net/netip"
)

// packet is what has to be known of a packet to answer it.
type packet struct {
	source, destination netip.Addr
	protocol            byte   // of the transport, behind IPv6's extension headers
	ip                  []byte // the datagram, without what Ethernet padded it with
	payload             []byte // from the transport's header on; may be cut short
	headers             int    // length of all IP headers
	length              int    // of the transport's header and data, as the IP header says
	firstFragment       bool   // more follow: length is not that of the whole
	laterFragment       bool
}

// read takes an Ethernet frame apart.
func read(frame []byte) (*packet, error) {
	if len(frame) < ethHeader {
		return nil, silence("a frame of %d bytes", len(frame))
	}
	switch kind := binary.BigEndian.Uint16(frame[12:]); kind {
	case ethIPv4:
		return readV4(frame[ethHeader:])
	case ethIPv6:
		return readV6(frame[ethHeader:])
	default:
		return nil, silence("Ethernet type %#04x is not IP", kind)
	}
}

func readV4(b []byte) (*packet, error) {
	be := binary.BigEndian
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, silence("no IPv4 header in %d bytes", len(b))
	}
	header, total := int(b[0]&0xf)*4, int(be.Uint16(b[2:]))
	if header < 20 || total < header || len(b) < header {
		return nil, silence("an IPv4 header of %d bytes in a datagram of %d", header, total)
	}
	b = b[:min(len(b), total)]
	source, _ := netip.AddrFromSlice(b[12:16])
	destination, _ := netip.AddrFromSlice(b[16:20])
	fragment := be.Uint16(b[6:])
	return &packet{
		source: source, destination: destination, protocol: b[9], ip: b, payload: b[header:],
		headers: header, length: total - header,
		firstFragment: fragment&0x3fff == 0x2000, laterFragment: fragment&0x1fff != 0,
	}, nil
}

// maxHeaders bounds the chain of IPv6's extension headers.
const maxHeaders = 16

func readV6(b []byte) (*packet, error) {
	be := binary.BigEndian
	if len(b) < 40 || b[0]>>4 != 6 {
		return nil, silence("no IPv6 header in %d bytes", len(b))
	}
	total := 40 + int(be.Uint16(b[4:]))
	b = b[:min(len(b), total)]
	source, _ := netip.AddrFromSlice(b[8:24])
	destination, _ := netip.AddrFromSlice(b[24:40])
	p := &packet{source: source, destination: destination, protocol: b[6], ip: b, headers: 40}
	for range maxHeaders {
		rest := b[p.headers:]
		size := 0
		switch p.protocol {
		case 0, 43, 60: // hop-by-hop options, routing, destination options (RFC 8200, 4)
			if len(rest) >= 8 {
				size = 8 + 8*int(rest[1])
			}
		case 44: // fragment
			if len(rest) >= 8 {
				size = 8
				offset := be.Uint16(rest[2:])
				p.laterFragment = offset>>3 != 0
				p.firstFragment = offset>>3 == 0 && offset&1 != 0
			}
		case 51: // authentication (RFC 4302)
			if len(rest) >= 8 {
				size = 4 * (int(rest[1]) + 2)
			}
		default:
			p.payload, p.length = rest, total-p.headers
			return p, nil
		}
		if size == 0 || size > len(rest) {
			return nil, silence("an IPv6 extension header of type %d that is cut short", p.protocol)
		}
		p.protocol = rest[0]
		p.headers += size
		if p.laterFragment {
			return p, nil // what follows is no header
		}
	}
	return nil, silence("more than %d IPv6 extension headers", maxHeaders)
}
