package openflow

import (
	"encoding/binary"
	"fmt"
)

// packetType is OXM_OF_PACKET_TYPE. Open vSwitch adds it with the value 0 (Ethernet) to matches that do not imply Ethernet otherwise.
var packetType = oxm(classOXM, 44)

// decodeMatch reads OXM TLVs and brings them into canonical form.
func decodeMatch(wire []byte) (Match, error) {
	var b matchBuilder
	for offset := 0; offset < len(wire); {
		c, n, err := decodeClause(wire[offset:])
		if err != nil {
			return Match{}, fmt.Errorf("match field at byte %d: %w", offset, err)
		}
		offset += n
		if c.field == unknownField && isEthernet(c.raw) {
			continue
		}
		if contradiction := b.add(c); contradiction != unknownField {
			return Match{}, fmt.Errorf("match field at byte %d: contradicts an earlier one about %s", offset-n, contradiction)
		}
	}
	return b.match(), nil
}

// isEthernet says that a TLV is packet_type=(0,0).
func isEthernet(raw string) bool {
	return len(raw) == 8 && binary.BigEndian.Uint32([]byte(raw)) == packetType.header(false, 4) && raw[4:] == "\x00\x00\x00\x00"
}

// decodeClause reads one TLV and says how long it was. A TLV of a field or length that this package does not know is kept as it is.
func decodeClause(wire []byte) (Clause, int, error) {
	if len(wire) < 4 {
		return Clause{}, 0, fmt.Errorf("%d bytes are left, a header has 4", len(wire))
	}
	header := binary.BigEndian.Uint32(wire)
	length := 4 + int(header&0xff)
	if len(wire) < length {
		return Clause{}, 0, fmt.Errorf("header %#08x says %d bytes follow, %d do", header, length-4, len(wire)-4)
	}
	c := Clause{field: fieldOf(header), masked: header>>8&1 != 0}
	payload := wire[4:length]
	c.size = fieldTable[c.field].size
	size := int(c.size)
	switch {
	case c.field == unknownField || c.masked && len(payload) != 2*size || !c.masked && len(payload) != size:
		return Clause{raw: string(wire[:length])}, length, nil
	case c.masked:
		copy(c.mask[:], payload[size:])
	}
	copy(c.value[:], payload[:size])
	return c.normalised(), length, nil
}
