package openflow

import (
	"fmt"
)

// SetFieldAction writes a value, or part of one, into a field.
type SetFieldAction struct{ Clause Clause }

// SetField writes the clause's value into its field; under a mask, only those bits.
// A field that the packet may not have (TCPDst) needs a match on its prerequisites.
func SetField(clause Clause) Action {
	if clause.field == unknownField && clause.raw == "" {
		panic("openflow: SetField needs a clause made by a method of Field")
	}
	return SetFieldAction{clause}
}

// Load writes value into nBits bits of f, the lowest being firstBit (0 is the least significant).
// OpenFlow 1.5 has no action of that name: it is a SetField under a mask, and comes back as that.
// It panics if the bits are not in the field or the value does not fit them.
func Load(f Field, firstBit, nBits int, value uint64) Action {
	Subfield{f, firstBit, nBits}.check()
	if nBits < 64 && value>>nBits != 0 {
		panic(fmt.Sprintf("openflow: value %#x does not fit %d bits of field %s", value, nBits, f))
	}
	c := Clause{field: f, size: f.info().size, masked: true}
	for bit := range nBits {
		at, shift := int(c.size)-1-(firstBit+bit)/8, (firstBit+bit)%8
		c.mask[at] |= 1 << shift
		if bit < 64 {
			c.value[at] |= byte(value>>bit&1) << shift
		}
	}
	return SetFieldAction{c.normalised()}
}

func (a SetFieldAction) appendTo(b []byte) []byte {
	start := len(b)
	b = appendHeader(b, actSetField, 0)
	return finish(a.Clause.appendTo(b, a.Clause.field.info().oxm), start)
}

// MoveAction copies bits from one field to another. Both Subfields have the same number of bits.
type MoveAction struct{ Src, Dst Subfield }

// Move copies nBits bits of src from srcBit on to dst from dstBit on (0 is the least significant). It panics if a field has no such bits.
func Move(src Field, srcBit int, dst Field, dstBit, nBits int) Action {
	return MoveAction{Subfield{src, srcBit, nBits}.check(), Subfield{dst, dstBit, nBits}.check()}
}

func (a MoveAction) appendTo(b []byte) []byte {
	start := len(b)
	b = put16(appendHeader(b, actCopyField, 0), uint16(a.Dst.Bits))
	b = put16(put16(b, uint16(a.Src.First)), uint16(a.Dst.First))
	b = put32(put32(put16(b, 0), a.Src.Field.header()), a.Dst.Field.header())
	return finish(b, start)
}

// StackAction saves bits of a field, or restores them.
type StackAction struct {
	Pop bool
	Subfield
}

// Push saves nBits bits of f, from bit firstBit on, on a stack that lasts as long as the packet's processing. It panics if the field has no such bits.
func Push(f Field, firstBit, nBits int) Action {
	return StackAction{false, Subfield{f, firstBit, nBits}.check()}
}

// Pop takes what was pushed last and writes it into nBits bits of f, from bit firstBit on. It panics if the field has no such bits.
func Pop(f Field, firstBit, nBits int) Action {
	return StackAction{true, Subfield{f, firstBit, nBits}.check()}
}

func (a StackAction) appendTo(b []byte) []byte {
	subtype := uint16(nxStackPush)
	if a.Pop {
		subtype = nxStackPop
	}
	b = put16(appendNicira(b, subtype, 24), uint16(a.First))
	return zeros(put16(put32(b, a.Field.legacyHeader()), uint16(a.Bits)), 6)
}

// DecTTLAction decrements TTL or hop limit.
type DecTTLAction struct{}

// DecTTL decrements TTL or hop limit. A packet that has 0 or 1 is not processed further, and goes to controllers that asked for that.
func DecTTL() Action { return DecTTLAction{} }

func (DecTTLAction) appendTo(b []byte) []byte { return zeros(appendHeader(b, actDecTTL, 8), 4) }

// PushVLANAction adds a VLAN tag.
type PushVLANAction struct{ EtherType uint16 }

// PushVLAN adds a VLAN tag of the given Ethernet type (0x8100 or 0x88a8) with VLAN 0, to be set by SetField(VLANVID...).
func PushVLAN(etherType uint16) Action { return PushVLANAction{etherType} }

func (a PushVLANAction) appendTo(b []byte) []byte {
	return zeros(put16(appendHeader(b, actPushVLAN, 8), a.EtherType), 2)
}

// PopVLANAction takes the outermost VLAN tag off.
type PopVLANAction struct{}

// PopVLAN takes the outermost VLAN tag off.
func PopVLAN() Action { return PopVLANAction{} }

func (PopVLANAction) appendTo(b []byte) []byte { return zeros(appendHeader(b, actPopVLAN, 8), 4) }

// NoteAction does nothing. It carries bytes for whoever reads the flow.
type NoteAction struct{ Data []byte }

// Note does nothing but carry data, for example for people who dump flows. Zeros at the end of data do not survive.
func Note(data []byte) Action { return NoteAction{data} }

func (a NoteAction) appendTo(b []byte) []byte {
	start := len(b)
	b = append(appendNicira(b, nxNote, 0), a.Data...)
	for len(b)-start < 16 {
		b = append(b, 0)
	}
	return finish(b, start)
}

// UnknownAction is an action that this package has no type for.
type UnknownAction struct{ Wire []byte }

func (a UnknownAction) appendTo(b []byte) []byte { return append(b, a.Wire...) }
