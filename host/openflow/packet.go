package openflow

import (
	"encoding/binary"
	"fmt"
)

// PacketIn is a packet that a flow sent to the controllers.
type PacketIn struct {
	Reason   PacketInReason
	Table    uint8
	Cookie   uint64 // of the flow; all ones if there was none
	InPort   uint32
	Fields   Match  // the pipeline's fields: in_port, registers, metadata, connection tracking
	UserData []byte // of the Controller action
	FullLen  int    // length of the packet, of which Data may be the beginning
	Data     []byte
}

// PacketOut is a packet to be sent by the bridge.
type PacketOut struct {
	InPort  uint32 // where it pretends to have come in; 0 means PortController
	Actions Actions
	Data    []byte
	// Fields are further pipeline fields that the packet has, such as registers.
	Fields []Clause
}

func (p *PacketOut) appendTo(b []byte, xid uint32) []byte {
	port := p.InPort
	if port == 0 {
		port = PortController
	}
	start := len(b)
	b = put16(put16(put32(begin(b, msgPacketOut, xid), 0xffffffff), uint16(len(p.Actions.wire))), 0)
	b = appendMatch(b, MatchOf(append([]Clause{InPort.Is(uint64(port))}, p.Fields...)...))
	b = append(append(b, p.Actions.wire...), p.Data...)
	return finishMessage(b, start)
}

// Properties of Nicira's second packet-in.
const (
	pinPacket   = 0
	pinFullLen  = 1
	pinTable    = 3
	pinCookie   = 4
	pinReason   = 5
	pinMetadata = 6
	pinUserData = 7
)

// decodePacketIn2 reads the properties of an NXT_PACKET_IN2 message. The result refers to body.
func decodePacketIn2(body []byte) (p PacketIn, err error) {
	be := binary.BigEndian
	p.Cookie = ^uint64(0)
	for len(body) > 0 {
		kind, value, n, err := property(body)
		if err != nil {
			return p, fmt.Errorf("packet-in: %w", err)
		}
		body = body[n:]
		switch {
		case kind == pinPacket:
			p.Data = value
		case kind == pinFullLen && len(value) == 4:
			p.FullLen = int(be.Uint32(value))
		case kind == pinTable && len(value) >= 1:
			p.Table = value[0]
		case kind == pinCookie && len(value) == 12:
			p.Cookie = be.Uint64(value[4:]) // after padding
		case kind == pinReason && len(value) >= 1:
			p.Reason = reasonFromWire(value[0])
		case kind == pinUserData:
			p.UserData = value
		case kind == pinMetadata:
			if p.Fields, err = decodeMatch(value); err != nil {
				return p, fmt.Errorf("packet-in: %w", err)
			}
		}
	}
	p.complete()
	return p, nil
}

// decodePacketIn reads a standard packet-in. The result refers to body.
func decodePacketIn(body []byte) (p PacketIn, err error) {
	be := binary.BigEndian
	if len(body) < 16 {
		return p, fmt.Errorf("packet-in: %d bytes, needs at least 16", len(body))
	}
	p = PacketIn{FullLen: int(be.Uint16(body[4:])), Reason: reasonFromWire(body[6]), Table: body[7], Cookie: be.Uint64(body[8:])}
	fields, n, err := takeMatch(body[16:])
	if err != nil {
		return p, fmt.Errorf("packet-in: %w", err)
	}
	if rest := body[16+n:]; len(rest) >= 2 {
		p.Data = rest[2:]
	}
	p.Fields = fields
	p.complete()
	return p, nil
}

// complete derives what the message has only indirectly.
func (p *PacketIn) complete() {
	if p.FullLen == 0 {
		p.FullLen = len(p.Data)
	}
	for _, c := range p.Fields.Clauses() {
		if c.field == InPort {
			port, _ := c.Uint64()
			p.InPort = uint32(port)
		}
	}
}
