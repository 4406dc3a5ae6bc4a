package abi

import (
	"strconv"
	"unicode/utf8"
)

// MaxExpansion bounds what decoding allocates: at most this many bytes for each
// byte of input. Messages of real policies take about three.
const MaxExpansion = 64

// DecodeError says where and why a message does not read.
type DecodeError struct {
	Offset int    // of the item at fault, in bytes from the start of the input
	Field  string // its path in the words of abi.proto: "FlowRequest.put_rule.rule.priority"
	Reason string
}

func (e *DecodeError) Error() string {
	field := e.Field
	if field == "" {
		field = "message"
	}
	return "abi: " + field + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// decoder reads the fields of one message after another. The first fault stays
// in err and makes every further call a no-op, so that the functions that fill
// messages need no error handling of their own.
//
// Embedded messages are read in place by moving end. The schema has no
// recursion, so neither has the decoder on hostile input.
type decoder struct {
	b    []byte
	pos  int
	end  int
	err  *DecodeError
	num  uint64 // field number of the current field
	wire byte   // and its wire type
	tag  int    // and the offset of its tag

	resource  repeated
	namespace repeated
}

// repeated is a text that is mostly the same as the one before: thousands of
// events in a row share a resource and a namespace.
type repeated string

func (r *repeated) string(d *decoder, field string) string {
	p := d.text(field)
	if string(p) != string(*r) { // compares without allocating
		*r = repeated(p)
	}
	return string(*r)
}

func newDecoder(b []byte) decoder { return decoder{b: b, end: len(b)} }

// failed gives the fault as an error that is nil when there is none.
func (d *decoder) failed() error {
	if d.err == nil {
		return nil
	}
	return d.err
}

func (d *decoder) fail(offset int, field, reason string) {
	if d.err == nil {
		d.err = &DecodeError{Offset: offset, Field: field, Reason: reason}
	}
	d.pos = d.end
}

// next moves to the next field of the current message.
func (d *decoder) next() bool {
	if d.err != nil || d.pos >= d.end {
		return false
	}
	d.tag = d.pos
	key := d.varint("")
	if d.err != nil {
		return false
	}
	d.num, d.wire = key>>3, byte(key&7)
	if d.num == 0 || d.num > 1<<29-1 {
		d.fail(d.tag, "", "field number is not between 1 and 536870911")
		return false
	}
	return true
}

func (d *decoder) varint(field string) uint64 {
	var v uint64
	start := d.pos
	for shift := uint(0); d.pos < d.end; shift += 7 {
		c := d.b[d.pos]
		d.pos++
		if shift == 63 && c > 1 {
			d.fail(start, field, "varint is longer than 64 bits")
			return 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.fail(start, field, "varint is cut short")
	return 0
}

// is checks the wire type of a known field.
func (d *decoder) is(wire byte, field string) bool {
	if d.err != nil {
		return false
	}
	if d.wire != wire {
		d.fail(d.tag, field, "wire type is "+strconv.Itoa(int(d.wire))+", must be "+strconv.Itoa(int(wire)))
		return false
	}
	return true
}

func (d *decoder) uint(field string, limit uint64) uint64 {
	if !d.is(wireVarint, field) {
		return 0
	}
	start := d.pos
	v := d.varint(field)
	if v > limit {
		// Never truncate: 257 would turn into Allow.
		d.fail(start, field, strconv.FormatUint(v, 10)+" is more than "+strconv.FormatUint(limit, 10))
		return 0
	}
	return v
}

func (d *decoder) int64(field string) int64 { return int64(d.uint(field, 1<<64-1)) }

func (d *decoder) int32(field string) int32 {
	if !d.is(wireVarint, field) {
		return 0
	}
	start := d.pos
	v := int64(d.varint(field))
	if v != int64(int32(v)) {
		d.fail(start, field, strconv.FormatInt(v, 10)+" does not fit into 32 bits (a negative number takes ten bytes)")
		return 0
	}
	return int32(v)
}

func (d *decoder) bool(field string) bool { return d.uint(field, 1<<64-1) != 0 }

// bytes gives a part of the input, with no room to append to; nil if empty.
func (d *decoder) bytes(field string) []byte {
	if !d.is(wireBytes, field) {
		return nil
	}
	start := d.pos
	n := d.varint(field)
	if d.err != nil {
		return nil
	}
	if n > uint64(d.end-d.pos) {
		d.fail(start, field, "length "+strconv.FormatUint(n, 10)+" is more than the "+strconv.Itoa(d.end-d.pos)+" bytes that follow")
		return nil
	}
	if n == 0 {
		return nil
	}
	p := d.b[d.pos : d.pos+int(n) : d.pos+int(n)]
	d.pos += int(n)
	return p
}

func (d *decoder) text(field string) []byte {
	p := d.bytes(field)
	if !utf8.Valid(p) {
		d.fail(d.tag, field, "is not valid UTF-8")
		return nil
	}
	return p
}

func (d *decoder) string(field string) string { return string(d.text(field)) }

// room gives list, and if it is nil a new one that has room for all elements of
// the current field in the current message: one allocation instead of a
// dozen, and none that has to be thrown away.
func room[T any](d *decoder, list []T) []T {
	if list != nil || d.err != nil {
		return list
	}
	ahead := *d
	n := 1
	for ahead.skip(); ahead.next(); ahead.skip() {
		if ahead.num == d.num {
			n++
		}
	}
	return make([]T, 0, n)
}

// enter narrows the decoder to the embedded message of the current field; leave
// goes back to the outer one.
func (d *decoder) enter() (outer int) {
	outer = d.end
	p := d.bytes("")
	if d.err == nil {
		d.end = d.pos
		d.pos -= len(p)
	}
	return outer
}

// leave also puts the name of the field before the path of a fault inside it.
func (d *decoder) leave(outer int, field string) {
	if d.err != nil {
		if d.err.Field != "" {
			field += "." + d.err.Field
		}
		d.err.Field = field
	}
	d.end = outer
}

// skip passes over a field that this version does not know.
func (d *decoder) skip() {
	size := 0
	switch d.wire {
	case wireVarint:
		d.varint("")
		return
	case wireBytes:
		d.bytes("")
		return
	case wireFixed64:
		size = 8
	case wireFixed32:
		size = 4
	default:
		d.fail(d.tag, "", "field "+strconv.FormatUint(d.num, 10)+" has wire type "+strconv.Itoa(int(d.wire))+", which this contract does not use")
		return
	}
	if size > d.end-d.pos {
		d.fail(d.tag, "", "field "+strconv.FormatUint(d.num, 10)+" is cut short")
		return
	}
	d.pos += size
}
