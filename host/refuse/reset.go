package refuse

import "encoding/binary"

// Flags of TCP.
const (
	fin = 0x01
	syn = 0x02
	rst = 0x04
	ack = 0x10
)

// reset is the TCP segment that ends what p belongs to, or refuses to begin it
// (RFC 9293, 3.5.2): with the sequence number that p acknowledges, or, if it
// acknowledges nothing, with 0 and an acknowledgement of all of p.
func (p *packet) reset() ([]byte, error) {
	be := binary.BigEndian
	if len(p.payload) < 20 {
		return nil, silence("a TCP header of %d bytes", len(p.payload))
	}
	header, flags := int(p.payload[12]>>4)*4, p.payload[13]
	switch {
	case header < 20 || header > p.length:
		return nil, silence("a TCP header that says it has %d bytes of %d", header, p.length)
	case flags&rst != 0:
		return nil, silence("a TCP reset")
	case flags&ack == 0 && p.firstFragment:
		return nil, silence("the first fragment of a TCP segment does not say how long the segment is")
	}
	s := make([]byte, 20)
	copy(s, p.payload[2:4]) // the ports, exchanged
	copy(s[2:], p.payload[0:2])
	s[12] = 5 << 4
	if flags&ack != 0 {
		s[13] = rst
		copy(s[4:], p.payload[8:12])
	} else {
		s[13] = rst | ack
		length := uint32(p.length - header)
		for _, counted := range []byte{syn, fin} {
			if flags&counted != 0 {
				length++
			}
		}
		be.PutUint32(s[8:], be.Uint32(p.payload[4:])+length)
	}
	be.PutUint16(s[16:], fold(sum(s, p.pseudo(protoTCP, len(s)))))
	return s, nil
}
