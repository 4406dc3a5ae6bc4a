package refuse

import "encoding/binary"

// sum adds 16-bit words, the last byte of an odd length being followed by a zero
// (RFC 1071). No packet is long enough for it to overflow.
func sum(b []byte, start uint32) uint32 {
	for len(b) >= 2 {
		start += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		start += uint32(b[0]) << 8
	}
	return start
}

// fold makes the checksum of a sum.
func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// pseudo is the sum of the header that TCP and ICMPv6 imagine before theirs, for
// an answer to p (RFC 9293, 3.1; RFC 8200, 8.1).
func (p *packet) pseudo(protocol byte, length int) uint32 {
	s := sum(p.source.AsSlice(), sum(p.destination.AsSlice(), 0))
	return s + uint32(protocol) + uint32(length)
}
