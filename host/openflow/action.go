package openflow

import (
	"encoding/binary"
	"fmt"
)

// Action is one step of what a flow does with a packet. Make actions with the functions and structs of this package; see ovs-actions(7) for what they do.
type Action interface {
	// appendTo encodes the action exactly as Open vSwitch would send it back.
	appendTo([]byte) []byte
	// appendText writes the action as ovs-ofctl does.
	appendText([]byte) []byte
}

// Actions is a list of actions, as the bytes on the wire: two lists are == exactly if they are the same actions in the same order.
// The zero Actions drops the packet.
type Actions struct{ wire string }

// Do is the list of the actions given, in this order. Without arguments it drops the packet.
func Do(actions ...Action) Actions {
	if len(actions) == 0 {
		return Actions{}
	}
	return Actions{string(appendActions(make([]byte, 0, 32*len(actions)), actions))}
}

// Then is this list followed by more actions.
func (a Actions) Then(actions ...Action) Actions {
	return Actions{a.wire + Do(actions...).wire}
}

// IsDrop says that there are no actions.
func (a Actions) IsDrop() bool { return a.wire == "" }

// Decode lists the actions. An action that this package does not know comes as UnknownAction.
// An error means that bytes within an action are not what they should be; the actions before it are returned too.
func (a Actions) Decode() ([]Action, error) {
	return decodeActions([]byte(a.wire))
}

// Numbers of reserved ports, for Output and for matches on InPort.
const (
	PortMax        uint32 = 0xffffff00 // ports below are ordinary ones; Open vSwitch uses 1 to 0xfeff
	PortIn         uint32 = 0xfffffff8 // where the packet came in
	PortTable      uint32 = 0xfffffff9 // in packet-outs only: through the flow tables
	PortNormal     uint32 = 0xfffffffa // as a learning switch would
	PortFlood      uint32 = 0xfffffffb
	PortAll        uint32 = 0xfffffffc
	PortController uint32 = 0xfffffffd
	PortLocal      uint32 = 0xfffffffe
	PortAny        uint32 = 0xffffffff // in requests: no restriction
)

// Types of actions, and the experimenter id and subtypes of Nicira's.
const (
	actOutput      = 0
	actPushVLAN    = 17
	actPopVLAN     = 18
	actGroup       = 22
	actDecTTL      = 24
	actSetField    = 25
	actCopyField   = 28
	actMeter       = 29
	actExperiment  = 0xffff
	niciraID       = 0x00002320
	nxNote         = 8
	nxResubmitTo   = 14
	nxOutputReg    = 15
	nxLearn        = 16
	nxExit         = 17
	nxController   = 20
	nxStackPush    = 27
	nxStackPop     = 28
	nxConjunction  = 34
	nxCT           = 35
	nxNAT          = 36
	nxController2  = 37
	nxClone        = 42
	nxCTClear      = 43
	nxResubmitToCT = 44
	nxCheckLarger  = 49
)

func appendActions(b []byte, actions []Action) []byte {
	for _, a := range actions {
		b = a.appendTo(b)
	}
	return b
}

// appendHeader writes type and length of a standard action.
func appendHeader(b []byte, kind, length uint16) []byte {
	return put16(put16(b, kind), length)
}

// appendNicira writes the header of a Nicira action; the length may be put right later by finish.
func appendNicira(b []byte, subtype, length uint16) []byte {
	return put16(put32(appendHeader(b, actExperiment, length), niciraID), subtype)
}

// finish pads the action that starts at the offset to a multiple of 8 and writes its length.
func finish(b []byte, start int) []byte {
	b = pad8(b, start)
	// A length that does not fit makes a message that is too long, which is refused before it is sent.
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// pad8 adds zeros until the number of bytes since start is a multiple of 8.
func pad8(b []byte, start int) []byte {
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

func put16(b []byte, n uint16) []byte { return binary.BigEndian.AppendUint16(b, n) }
func put32(b []byte, n uint32) []byte { return binary.BigEndian.AppendUint32(b, n) }
func put64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }
func zeros(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	return b
}

// Subfield is a range of bits of a field: Bits of them, the lowest being number First (0 is the least significant).
type Subfield struct {
	Field Field
	First int
	Bits  int
}

// All is the whole field as a Subfield.
func (f Field) All() Subfield { return Subfield{f, 0, f.Bits()} }

// Range is the bits first to first+bits-1 of the field.
func (f Field) Range(first, bits int) Subfield { return Subfield{f, first, bits} }

// valid says that the range is within a field that this package knows.
func (s Subfield) valid() bool {
	return s.Field != unknownField && s.Field < fieldCount && s.First >= 0 && s.Bits >= 1 && s.First+s.Bits <= s.Field.subfieldBits()
}

// check panics if the range is not within the field.
func (s Subfield) check() Subfield {
	if !s.valid() {
		panic(fmt.Sprintf("openflow: field %s has no bits %d to %d, only 0 to %d", s.Field, s.First, s.First+s.Bits-1, s.Field.subfieldBits()-1))
	}
	return s
}

// subfieldBits is how many bits actions may address.
func (f Field) subfieldBits() int {
	if f == CTState {
		return 32 // 8 of them are used, but the field is one of 32 bits
	}
	return f.Bits()
}

// ofsNBits packs a range of at most 64 bits into 16, as many Nicira actions want it.
func (s Subfield) ofsNBits() uint16 { return uint16(s.First)<<6 | uint16(s.Bits-1) }

func unpackOfsNBits(field Field, packed uint16) Subfield {
	return Subfield{field, int(packed >> 6), int(packed&0x3f) + 1}
}

// legacyHeader is the header of a field in Nicira's actions.
func (f Field) legacyHeader() uint32 {
	info := f.info()
	return info.legacyType().header(false, int(info.size))
}

// header is the header of a field in OpenFlow 1.5's actions.
func (f Field) header() uint32 {
	info := f.info()
	return info.oxm.header(false, int(info.size))
}
