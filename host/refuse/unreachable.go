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

// reason is why a destination is unreachable, in the codes of both families.
type reason struct{ codeV4, codeV6 byte }

var (
	// prohibited: communication administratively prohibited (RFC 1812, 5.2.7.1;
	// RFC 4443, 3.1).
	prohibited = reason{13, 1}
	// noPort: port unreachable (RFC 792; RFC 4443, 3.1).
	noPort = reason{3, 4}
)

func (p *packet) unreachableV4(code byte) []byte {
	m := append([]byte{3, code, 0, 0, 0, 0, 0, 0}, p.quote(quoteV4-20-icmpHeader)...)
	binary.BigEndian.PutUint16(m[2:], fold(sum(m, 0)))
	return m
}

func (p *packet) unreachableV6(code byte) []byte {
	m := append([]byte{1, code, 0, 0, 0, 0, 0, 0}, p.quote(quoteV6-40-icmpHeader)...)
	binary.BigEndian.PutUint16(m[2:], fold(sum(m, p.pseudo(protoICMPv6, len(m)))))
	return m
}

func (p *packet) quote(most int) []byte { return p.ip[:min(len(p.ip), most)] }
