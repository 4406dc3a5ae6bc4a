package abi

// Wire types of the protobuf encoding that this schema uses.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// Like protoc, the functions below write nothing for a default value. Every
// field number of the schema is below 16, so a tag is always one byte.

func appendUint(b []byte, field byte, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendVarint(append(b, field<<3|wireVarint), v)
}

func appendBool(b []byte, field byte, v bool) []byte {
	if !v {
		return b
	}
	return append(b, field<<3|wireVarint, 1)
}

func appendString(b []byte, field byte, s string) []byte {
	if s == "" {
		return b
	}
	b = appendVarint(append(b, field<<3|wireBytes), uint64(len(s)))
	return append(b, s...)
}

func appendBytes(b []byte, field byte, s []byte) []byte {
	if len(s) == 0 {
		return b
	}
	b = appendVarint(append(b, field<<3|wireBytes), uint64(len(s)))
	return append(b, s...)
}

// appendStrings writes every element, the empty ones too.
func appendStrings(b []byte, field byte, list []string) []byte {
	for _, s := range list {
		b = appendVarint(append(b, field<<3|wireBytes), uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// open begins an embedded message and leaves one byte for its length; closed
// fills the length in and moves the body when one byte is too few. Most
// messages are shorter than 128 bytes, so most bodies never move.
func open(b []byte, field byte) (grown []byte, start int) {
	b = append(b, field<<3|wireBytes, 0)
	return b, len(b)
}

func closed(b []byte, start int) []byte {
	n := len(b) - start
	if n < 0x80 {
		b[start-1] = byte(n)
		return b
	}
	extra := 0
	for rest := n >> 7; rest != 0; rest >>= 7 {
		extra++
	}
	var room [9]byte
	b = append(b, room[:extra]...)
	copy(b[start+extra:], b[start:start+n])
	appendVarint(b[:start-1], uint64(n))
	return b
}

// closedUnlessEmpty takes the message back when it turned out to be empty:
// used where absent and empty mean the same.
func closedUnlessEmpty(b []byte, start int) []byte {
	if len(b) == start {
		return b[:start-2]
	}
	return closed(b, start)
}
