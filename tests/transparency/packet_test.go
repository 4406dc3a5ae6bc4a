package transparency

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Numbers of protocols in the IP header (IANA).
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoFragment = 44
	protoGRE      = 47
	protoESP      = 50
	protoICMPv6   = 58
	protoOptions  = 60
	protoSCTP     = 132
	protoTrial    = 253 // RFC 3692: for experiments
)

// header is what of an IP header differs between packets of a test. The zero
// header stands for TTL 64 and nothing special.
type header struct {
	ttl     uint8
	tos     uint8 // DSCP and ECN
	df      bool  // IPv4 only: IPv6 is never fragmented on its way
	options []byte
	// extension headers of IPv6: number of the first, the headers. The last one's
	// first byte is set to what follows.
	extension     uint8
	extensions    []byte
	lastExtension int // where in extensions the last header begins
	fragment      *fragment
}

type fragment struct {
	offset int // bytes
	more   bool
}

// ipPacket writes an IP packet. The number marks it: it is the IPv4
// identification, and the IPv6 flow label.
func ipPacket(src, dst netip.Addr, number uint16, proto uint8, h header, payload []byte) []byte {
	if h.ttl == 0 {
		h.ttl = 64
	}
	if src.Is4() {
		return ipv4Packet(src, dst, number, proto, h, payload)
	}
	next := proto
	var extensions []byte
	if f := h.fragment; f != nil {
		extensions = []byte{proto, 0, byte(f.offset >> 8), byte(f.offset &^ 7), 0, 0, byte(number >> 8), byte(number)}
		if f.more {
			extensions[3] |= 1
		}
		next = protoFragment
	}
	if h.extensions != nil {
		own := append([]byte(nil), h.extensions...)
		own[h.lastExtension] = next
		extensions = append(own, extensions...)
		next = h.extension
	}
	p := make([]byte, 40, 40+len(extensions)+len(payload))
	binary.BigEndian.PutUint32(p, 6<<28|uint32(h.tos)<<20|uint32(number))
	binary.BigEndian.PutUint16(p[4:], uint16(len(extensions)+len(payload)))
	p[6], p[7] = next, h.ttl
	copy(p[8:], src.AsSlice())
	copy(p[24:], dst.AsSlice())
	return append(append(p, extensions...), payload...)
}

func ipv4Packet(src, dst netip.Addr, number uint16, proto uint8, h header, payload []byte) []byte {
	length := 20 + len(h.options)
	p := make([]byte, length, length+len(payload))
	p[0], p[1] = 4<<4|byte(length/4), h.tos
	binary.BigEndian.PutUint16(p[2:], uint16(length+len(payload)))
	binary.BigEndian.PutUint16(p[4:], number)
	if h.df {
		p[6] = 0x40
	}
	if f := h.fragment; f != nil {
		binary.BigEndian.PutUint16(p[6:], uint16(f.offset/8))
		if f.more {
			p[6] |= 0x20
		}
	}
	p[8], p[9] = h.ttl, proto
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.AsSlice())
	copy(p[20:], h.options)
	binary.BigEndian.PutUint16(p[10:], checksum(0, p))
	return append(p, payload...)
}

// checksum is that of RFC 1071, over data, with a sum to begin with.
func checksum(sum uint32, data []byte) uint16 {
	for ; len(data) > 1; data = data[2:] {
		sum += uint32(binary.BigEndian.Uint16(data))
	}
	if len(data) == 1 {
		sum += uint32(data[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// pseudo is the sum of the pseudo header (RFC 9293, RFC 8200).
func pseudo(src, dst netip.Addr, proto uint8, length int) uint32 {
	both := append(src.AsSlice(), dst.AsSlice()...)
	return uint32(^checksum(0, both)) + uint32(proto) + uint32(length)
}

func udp(src, dst netip.Addr, from, to uint16, payload []byte) []byte {
	u := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(u, from)
	binary.BigEndian.PutUint16(u[2:], to)
	binary.BigEndian.PutUint16(u[4:], uint16(8+len(payload)))
	u = append(u, payload...)
	binary.BigEndian.PutUint16(u[6:], checksum(pseudo(src, dst, protoUDP, len(u)), u))
	return u
}

// segment is a TCP segment.
type segment struct {
	from, to uint16
	seq, ack uint32
	flags    uint16
	options  []byte
	urgent   uint16
	payload  []byte
}

const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
	ece
	cwr
)

func tcp(src, dst netip.Addr, s segment) []byte {
	length := 20 + len(s.options)
	t := make([]byte, length, length+len(s.payload))
	binary.BigEndian.PutUint16(t, s.from)
	binary.BigEndian.PutUint16(t[2:], s.to)
	binary.BigEndian.PutUint32(t[4:], s.seq)
	binary.BigEndian.PutUint32(t[8:], s.ack)
	binary.BigEndian.PutUint16(t[12:], uint16(length/4)<<12|s.flags)
	binary.BigEndian.PutUint16(t[14:], 0xfaf0)
	binary.BigEndian.PutUint16(t[18:], s.urgent)
	copy(t[20:], s.options)
	t = append(t, s.payload...)
	binary.BigEndian.PutUint16(t[16:], checksum(pseudo(src, dst, protoTCP, len(t)), t))
	return t
}

// sctp is an SCTP packet of one chunk (RFC 9260).
func sctp(from, to uint16, tag uint32, chunk, flags uint8, value []byte) []byte {
	s := make([]byte, 16, 16+len(value))
	binary.BigEndian.PutUint16(s, from)
	binary.BigEndian.PutUint16(s[2:], to)
	binary.BigEndian.PutUint32(s[4:], tag)
	s[12], s[13] = chunk, flags
	binary.BigEndian.PutUint16(s[14:], uint16(4+len(value)))
	s = append(s, value...)
	for len(s)%4 != 0 {
		s = append(s, 0)
	}
	binary.LittleEndian.PutUint32(s[8:], crc32.Checksum(s, crc32.MakeTable(crc32.Castagnoli)))
	return s
}

// icmp is an ICMP or ICMPv6 message.
func icmp(src, dst netip.Addr, kind, code uint8, rest uint32, payload []byte) []byte {
	m := make([]byte, 8, 8+len(payload))
	m[0], m[1] = kind, code
	binary.BigEndian.PutUint32(m[4:], rest)
	m = append(m, payload...)
	sum := uint32(0)
	if src.Is6() {
		sum = pseudo(src, dst, protoICMPv6, len(m))
	}
	binary.BigEndian.PutUint16(m[2:], checksum(sum, m))
	return m
}

// content is a payload whose bytes tell where they belong.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// pieces cuts the payload of an IP packet into fragments of size bytes at most.
func pieces(src, dst netip.Addr, number uint16, proto uint8, h header, payload []byte, size int) [][]byte {
	var all [][]byte
	size &^= 7
	for offset := 0; offset < len(payload); offset += size {
		end := min(offset+size, len(payload))
		one := h
		one.fragment = &fragment{offset, end < len(payload)}
		all = append(all, ipPacket(src, dst, number, proto, one, payload[offset:end]))
	}
	return all
}
