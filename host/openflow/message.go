package openflow

import (
	"encoding/binary"
	"fmt"
)

// version is OpenFlow 1.5.
const version = 6

// Types of messages.
const (
	msgHello           = 0
	msgError           = 1
	msgEchoRequest     = 2
	msgEchoReply       = 3
	msgExperimenter    = 4
	msgFeaturesRequest = 5
	msgFeaturesReply   = 6
	msgSetConfig       = 9
	msgPacketIn        = 10
	msgPortStatus      = 12
	msgPacketOut       = 13
	msgFlowMod         = 14
	msgGroupMod        = 15
	msgMultiRequest    = 18
	msgMultiReply      = 19
	msgBarrierRequest  = 20
	msgBarrierReply    = 21
	msgMeterMod        = 29
	msgBundleControl   = 33
	msgBundleAdd       = 34
)

// Types of multipart messages.
const (
	multiFlow      = 1
	multiGroupDesc = 7
	multiMeter     = 10
	multiPort      = 13
	multiMonitor   = 16
	multiMore      = 1 // flag: more parts follow
)

// Nicira's messages.
const (
	nxSetPacketInFormat = 16
	nxPacketIn2         = 30
	packetInFormat2     = 2
)

const (
	headerLen = 8
	// maxMessage is what fits the 16-bit length of a message.
	maxMessage = 65535
	// maxMod is the longest modification that is sent: OpenFlow's 65535 bytes, less what a bundle adds, and less what the
	// description of a flow or group in a dump needs in addition. Open vSwitch leaves out of dumps what does not fit.
	maxMod = 65000
)

// message is one received message.
type message struct {
	kind uint8
	xid  uint32
	body []byte // after the header; the receiver owns it
}

// begin writes a header whose length finishMessage sets.
func begin(b []byte, kind uint8, xid uint32) []byte {
	return put32(append(b, version, kind, 0, 0), xid)
}

// finishMessage sets the length of the message that starts at the offset. It is the caller who refuses messages that are too long.
func finishMessage(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// beginMulti writes the header of a multipart request of one part.
func beginMulti(b []byte, xid uint32, kind uint16) []byte {
	return zeros(put16(begin(b, msgMultiRequest, xid), kind), 6)
}

// beginNicira writes the header of one of Nicira's messages.
func beginNicira(b []byte, xid, subtype uint32) []byte {
	return put32(put32(begin(b, msgExperimenter, xid), niciraID), subtype)
}

// appendMatch writes ofp_match: type, length without padding, fields, padding.
func appendMatch(b []byte, m Match) []byte {
	start := len(b)
	b = put16(put16(b, 1), uint16(4+len(m.oxm)))
	return pad8(append(b, m.oxm...), start)
}

// takeMatch reads an ofp_match and says how long it was with its padding.
func takeMatch(wire []byte) (Match, int, error) {
	if len(wire) < 4 {
		return Match{}, 0, fmt.Errorf("match: %d bytes are left, needs at least 4", len(wire))
	}
	kind, n := binary.BigEndian.Uint16(wire), int(binary.BigEndian.Uint16(wire[2:]))
	padded := (n + 7) / 8 * 8
	if kind != 1 || n < 4 || padded > len(wire) {
		return Match{}, 0, fmt.Errorf("match: type %d, length %d, with %d bytes left", kind, n, len(wire))
	}
	m, err := decodeMatch(wire[4:n])
	return m, padded, err
}
