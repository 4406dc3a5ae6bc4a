package sctp

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
)

// chunkType as in RFC 9260, section 3.2.
type chunkType byte

const (
	chunkData             chunkType = 0
	chunkInit             chunkType = 1
	chunkInitAck          chunkType = 2
	chunkSack             chunkType = 3
	chunkHeartbeat        chunkType = 4
	chunkHeartbeatAck     chunkType = 5
	chunkAbort            chunkType = 6
	chunkShutdown         chunkType = 7
	chunkShutdownAck      chunkType = 8
	chunkCookieEcho       chunkType = 10
	chunkCookieAck        chunkType = 11
	chunkShutdownComplete chunkType = 14
)

const (
	headerSize  = 12 // of a packet: ports, verification tag, checksum
	chunkHeader = 4  // type, flags, length
	initSize    = 16 // of an INIT's fixed part: tag, window, streams, first TSN
	dataSize    = 12 // of what stands before a message: TSN, stream, sequence, protocol

	wholeMessage = 0x03 // flags of DATA: its beginning and its end
	stateCookie  = 7    // the parameter of an INIT ACK

	// maxMessage keeps a packet below every MTU that is in use.
	maxMessage = 1200
	window     = 1 << 16
)

// header is what all chunks of a packet have in common.
type header struct {
	from, to uint16
	tag      uint32
}

type chunk struct {
	kind  chunkType
	flags byte
	value []byte
}

// encode makes a packet of one chunk.
func encode(h header, c chunk) []byte {
	length := chunkHeader + len(c.value)
	p := make([]byte, headerSize+(length+3)&^3)
	binary.BigEndian.PutUint16(p[0:], h.from)
	binary.BigEndian.PutUint16(p[2:], h.to)
	binary.BigEndian.PutUint32(p[4:], h.tag)
	p[12], p[13] = byte(c.kind), c.flags
	binary.BigEndian.PutUint16(p[14:], uint16(length))
	copy(p[16:], c.value)
	binary.LittleEndian.PutUint32(p[8:], checksum(p))
	return p
}

// checksum is CRC32c over the packet with zeros in the checksum's place (RFC 9260,
// section 6.8 and appendix A).
func checksum(p []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, p[:8])
	sum = crc32.Update(sum, table, make([]byte, 4))
	return crc32.Update(sum, table, p[headerSize:])
}

// decode reads the header of a packet, and says whether it is one.
func decode(p []byte) (h header, ok bool) {
	if len(p) < headerSize || binary.LittleEndian.Uint32(p[8:]) != checksum(p) {
		return h, false
	}
	return header{binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint32(p[4:])}, true
}

// chunks goes through those of a packet, up to the first that is cut off.
func chunks(p []byte) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		for p = p[headerSize:]; len(p) >= chunkHeader; {
			length := int(binary.BigEndian.Uint16(p[2:]))
			if length < chunkHeader || length > len(p) || !yield(chunk{chunkType(p[0]), p[1], p[chunkHeader:length]}) {
				return
			}
			p = p[min((length+3)&^3, len(p)):]
		}
	}
}

// initValue is the fixed part of INIT and INIT ACK: one stream in each direction.
func initValue(tag, tsn uint32) []byte {
	v := make([]byte, initSize)
	binary.BigEndian.PutUint32(v, tag)
	binary.BigEndian.PutUint32(v[4:], window)
	binary.BigEndian.PutUint16(v[8:], 1)
	binary.BigEndian.PutUint16(v[10:], 1)
	binary.BigEndian.PutUint32(v[12:], tsn)
	return v
}

// parameter adds one to a value.
func parameter(v []byte, kind uint16, content []byte) []byte {
	v = binary.BigEndian.AppendUint16(v, kind)
	v = binary.BigEndian.AppendUint16(v, uint16(4+len(content)))
	return append(v, content...)
}

// findParameter finds one behind the fixed part of an INIT ACK; nil: it is not there.
func findParameter(v []byte, kind uint16) []byte {
	for len(v) >= 4 {
		length := int(binary.BigEndian.Uint16(v[2:]))
		if length < 4 || length > len(v) {
			return nil
		}
		if binary.BigEndian.Uint16(v) == kind {
			return v[4:length]
		}
		v = v[min((length+3)&^3, len(v)):]
	}
	return nil
}
