package binary

import (
	"fmt"
	"unicode/utf8"
)

// Error says where a Wasm binary does not read.
type Error struct {
	Offset int // in bytes from the start of the file
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("wasm: at offset %d: %s", e.Offset, e.Reason) }

// reader reads a part of a binary; base is where that part begins in the file.
type reader struct {
	b    []byte
	pos  int
	base int
}

func (r *reader) fail(at int, format string, args ...any) error {
	return &Error{Offset: r.base + at, Reason: fmt.Sprintf(format, args...)}
}

func (r *reader) more() bool { return r.pos < len(r.b) }

func (r *reader) byte(what string) (byte, error) {
	if !r.more() {
		return 0, r.fail(r.pos, "%s is missing", what)
	}
	c := r.b[r.pos]
	r.pos++
	return c, nil
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32(what string) (uint32, error) {
	v, err := r.leb(what, 32)
	return uint32(v), err
}

func (r *reader) leb(what string, bits uint) (uint64, error) {
	start := r.pos
	var v uint64
	for shift := uint(0); shift < bits; shift += 7 {
		c, err := r.byte(what)
		if err != nil {
			return 0, err
		}
		if bits-shift < 7 && c>>(bits-shift) != 0 {
			return 0, r.fail(start, "%s does not fit into %d bits", what, bits)
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, nil
		}
	}
	return 0, r.fail(start, "%s does not fit into %d bits", what, bits)
}

// part takes the next n bytes as a reader of their own.
func (r *reader) part(n uint32, what string) (*reader, error) {
	if uint64(n) > uint64(len(r.b)-r.pos) {
		return nil, r.fail(r.pos, "%s has %d bytes, but only %d follow", what, n, len(r.b)-r.pos)
	}
	p := &reader{b: r.b[r.pos : r.pos+int(n) : r.pos+int(n)], base: r.base + r.pos}
	r.pos += int(n)
	return p, nil
}

func (r *reader) name(what string) (string, error) {
	n, err := r.u32("length of " + what)
	if err != nil {
		return "", err
	}
	start := r.pos
	p, err := r.part(n, what)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(p.b) {
		return "", r.fail(start, "%s is not valid UTF-8", what)
	}
	return string(p.b), nil
}

func (r *reader) end(what string) error {
	if r.more() {
		return r.fail(r.pos, "%s has %d bytes too many", what, len(r.b)-r.pos)
	}
	return nil
}
