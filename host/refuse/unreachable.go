package refuse

import "encoding/binary"

// How long a datagram with an error may be: as much of the original as fits is
// quoted.
const (
	quoteV4 = 576  // RFC 1812, 4.3.2.3; RFC 792 asks for the header and 8 bytes
	quoteV6 = 1280 // the smallest MTU: RFC 4443, 2.4 (c)

	icmpHeader = 8
	// tosError is precedence "internetwork control" (RFC 1812, 4.3.2.5).
	tosError = 0xc0
)

func (p *packet) unreachableV4() []byte {
	m := append([]byte{3, 13, 0, 0, 0, 0, 0, 0}, p.quote(quoteV4-20-icmpHeader)...)
	binary.BigEndian.PutUint16(m[2:], fold(sum(m, 0)))
	return m
}

func (p *packet) unreachableV6() []byte {
	m := append([]byte{1, 1, 0, 0, 0, 0, 0, 0}, p.quote(quoteV6-40-icmpHeader)...)
	binary.BigEndian.PutUint16(m[2:], fold(sum(m, p.pseudo(protoICMPv6, len(m)))))
	return m
}

func (p *packet) quote(most int) []byte { return p.ip[:min(len(p.ip), most)] }
