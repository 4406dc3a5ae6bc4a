package openflow

import (
	"encoding/binary"
	"fmt"
	"time"
)

// FlowStats is a flow as it is in the switch.
type FlowStats struct {
	Flow
	Packets, Bytes uint64
	Duration       time.Duration // since it was added
	// Idle is the time since its last packet, in whole seconds. Open vSwitch measures it every few seconds only.
	Idle time.Duration
}

// decodeFlows reads the body of a part of a flow description reply.
func decodeFlows(body []byte, each func(FlowStats)) error {
	for number := 0; len(body) > 0; number++ {
		var flow FlowStats
		n, err := decodeFlow(body, &flow)
		if err != nil {
			return fmt.Errorf("flow number %d of a part of the reply: %w", number, err)
		}
		each(flow)
		body = body[n:]
	}
	return nil
}

// decodeFlow reads one ofp_flow_desc and says how long it was.
func decodeFlow(wire []byte, f *FlowStats) (int, error) {
	be := binary.BigEndian
	if len(wire) < 24 {
		return 0, fmt.Errorf("%d bytes are left, needs at least 24", len(wire))
	}
	length := int(be.Uint16(wire))
	if length < 24 || length > len(wire) {
		return 0, fmt.Errorf("length %d, %d bytes are left", length, len(wire))
	}
	f.Table, f.Priority = wire[4], be.Uint16(wire[6:])
	f.IdleTimeout, f.HardTimeout = be.Uint16(wire[8:]), be.Uint16(wire[10:])
	f.Flags, f.Importance = FlowFlags(be.Uint16(wire[12:])), be.Uint16(wire[14:])
	f.Cookie = be.Uint64(wire[16:])
	rest := wire[24:length]
	match, n, err := takeMatch(rest)
	if err != nil {
		return 0, err
	}
	f.Match = match
	rest = rest[n:]
	if n, err = f.decodeStats(rest); err != nil {
		return 0, err
	}
	return length, f.decodeInstructions(rest[n:])
}

// Numbers of OpenFlow's basic flow statistics.
const (
	statClass    = 0x8002
	statDuration = 0
	statIdle     = 1
	statPackets  = 4
	statBytes    = 5
)

// decodeStats reads the statistics and says how long they were with their padding.
func (f *FlowStats) decodeStats(wire []byte) (int, error) {
	be := binary.BigEndian
	if len(wire) < 4 {
		return 0, fmt.Errorf("statistics: %d bytes are left, needs at least 4", len(wire))
	}
	length := int(be.Uint16(wire[2:]))
	padded := (length + 7) / 8 * 8
	if length < 4 || padded > len(wire) {
		return 0, fmt.Errorf("statistics: length %d, %d bytes are left", length, len(wire))
	}
	for rest := wire[4:length]; len(rest) > 0; {
		if len(rest) < 4 || len(rest) < 4+int(rest[3]) {
			return 0, fmt.Errorf("statistics: %d bytes are left, too few for another one", len(rest))
		}
		n := 4 + int(rest[3])
		if be.Uint16(rest) == statClass && n == 12 {
			f.setStat(rest[2]>>1, be.Uint64(rest[4:]))
		}
		rest = rest[n:]
	}
	return padded, nil
}

func (f *FlowStats) setStat(number uint8, value uint64) {
	duration := time.Duration(value>>32)*time.Second + time.Duration(uint32(value))
	switch number {
	case statDuration:
		f.Duration = duration
	case statIdle:
		f.Idle = duration
	case statPackets:
		f.Packets = value
	case statBytes:
		f.Bytes = value
	}
}

// decodeInstructions sets Actions, Goto and Extra.
func (f *Flow) decodeInstructions(wire []byte) error {
	be := binary.BigEndian
	var extra []byte
	for len(wire) > 0 {
		if len(wire) < 8 {
			return fmt.Errorf("instruction: %d bytes are left, needs at least 8", len(wire))
		}
		kind, n := be.Uint16(wire), int(be.Uint16(wire[2:]))
		if n < 8 || n%8 != 0 || n > len(wire) {
			return fmt.Errorf("instruction %d: length %d is not a multiple of 8 from 8 to %d", kind, n, len(wire))
		}
		switch {
		case kind == instructionApply && f.Actions.wire == "":
			if err := checkActions(wire[8:n]); err != nil {
				return err
			}
			f.Actions = Actions{string(wire[8:n])}
		case kind == instructionGoto && n == 8 && wire[4] != 0:
			f.Goto = wire[4]
		default:
			extra = append(extra, wire[:n]...)
		}
		wire = wire[n:]
	}
	f.Extra = string(extra)
	return nil
}
