package openflow

import (
	"fmt"
	"slices"
)

// FieldSet names whole fields that a group hashes. It is comparable: two sets of the same fields are ==.
type FieldSet struct{ oxm string }

// Fields is the set of the fields, in any order. Those that a packet does not have are left out when it is hashed.
func Fields(fields ...Field) FieldSet {
	slices.Sort(fields)
	var b []byte
	for _, f := range slices.Compact(fields) {
		c := wholeField(f)
		b = c.appendTo(b, f.info().oxm)
	}
	return FieldSet{string(b)}
}

// wholeField is how a field array names a field: as if it were a match whose value is a mask (ovs-ofctl(8), add-group).
func wholeField(f Field) Clause {
	c := Clause{field: f, size: f.info().size}
	for bit := range f.Bits() {
		c.value[int(c.size)-1-bit/8] |= 1 << (bit % 8)
	}
	return c
}

// decodeFields reads a field array. It fails on fields of which only some bits are hashed, which this package never asks for.
func decodeFields(wire []byte) (FieldSet, error) {
	var fields []Field
	for len(wire) > 0 {
		c, n, err := decodeClause(wire)
		if err != nil {
			return FieldSet{}, err
		}
		if c.field == unknownField || c != wholeField(c.field) {
			return FieldSet{}, fmt.Errorf("field array with %x, which is no whole field", wire[:n])
		}
		fields = append(fields, c.field)
		wire = wire[n:]
	}
	return Fields(fields...), nil
}

// List is the fields of the set, in the order of their constants.
func (s FieldSet) List() []Field {
	var fields []Field
	for rest := s.oxm; rest != ""; {
		c, n, err := decodeClause([]byte(rest))
		if err != nil {
			return fields // cannot be: Fields wrote it
		}
		fields = append(fields, c.field)
		rest = rest[n:]
	}
	return fields
}

// appendText writes the set as ovs-ofctl does.
func (s FieldSet) appendText(b []byte) []byte {
	fields := s.List()
	switch len(fields) {
	case 0:
		return b
	case 1:
		return fmt.Appendf(b, ",fields=%s", fields[0])
	}
	b = append(b, ",fields("...)
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, f.String()...)
	}
	return append(b, ')')
}
