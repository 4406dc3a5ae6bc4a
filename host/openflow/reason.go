package openflow

import "strconv"

// PacketInReason says why a packet was sent to the controllers.
type PacketInReason uint8

// The reasons. The zero value is that of a controller action, unlike on the wire.
const (
	ReasonAction     PacketInReason = iota // a controller action, or an output to PortController
	ReasonNoMatch                          // no flow matched
	ReasonInvalidTTL                       // DecTTL found a TTL of 0 or 1
	ReasonActionSet
	ReasonGroup
	ReasonPacketOut
)

// wire swaps 0 and 1.
func (r PacketInReason) wire() uint8 {
	if r <= 1 {
		return uint8(1 - r)
	}
	return uint8(r)
}

func reasonFromWire(b uint8) PacketInReason { return PacketInReason(PacketInReason(b).wire()) }

// String is the name that ovs-ofctl uses.
func (r PacketInReason) String() string {
	names := [...]string{"action", "no_match", "invalid_ttl", "action_set", "group", "packet_out"}
	if int(r) < len(names) {
		return names[r]
	}
	return strconv.Itoa(int(r))
}
