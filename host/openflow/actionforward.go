package openflow

// OutputAction sends a copy of the packet to a port.
type OutputAction struct {
	Port   uint32
	MaxLen uint16 // to PortController only: how many bytes of the packet to send
}

// Output sends the packet to a port. Open vSwitch does not send it back to where it came in that way: see InPortAction.
func Output(port uint32) Action { return OutputAction{Port: port} }

// InPortAction sends the packet back to the port where it came in.
func InPortAction() Action { return OutputAction{Port: PortIn} }

func (a OutputAction) appendTo(b []byte) []byte {
	return zeros(put16(put32(appendHeader(b, actOutput, 16), a.Port), a.MaxLen), 6)
}

// OutputFieldAction sends the packet to the port whose number a field holds.
type OutputFieldAction struct {
	Port   Subfield
	MaxLen uint16 // if the field holds PortController: how many bytes of the packet to send
}

// OutputField sends the packet to the port whose number is in f, for example a register. Nothing is sent if there is no such port.
func OutputField(f Field) Action { return OutputFieldAction{Port: f.All().check(), MaxLen: 0xffff} }

func (a OutputFieldAction) appendTo(b []byte) []byte {
	b = put16(appendNicira(b, nxOutputReg, 24), a.Port.ofsNBits())
	return zeros(put16(put32(b, a.Port.Field.legacyHeader()), a.MaxLen), 6)
}

// GroupAction hands the packet to a group.
type GroupAction struct{ ID uint32 }

// Group hands the packet to the group with this id, which must exist when the flow is added.
func Group(id uint32) Action { return GroupAction{id} }

func (a GroupAction) appendTo(b []byte) []byte {
	return put32(appendHeader(b, actGroup, 8), a.ID)
}

// MeterAction drops the packet if the meter's rate is exceeded.
type MeterAction struct{ ID uint32 }

// Meter passes the packet through the meter with this id, which must exist when the flow is added.
func Meter(id uint32) Action { return MeterAction{id} }

func (a MeterAction) appendTo(b []byte) []byte {
	return put32(appendHeader(b, actMeter, 8), a.ID)
}

// ResubmitAction does the actions of the flow found by another table lookup, then goes on.
type ResubmitAction struct {
	Table  uint8  // 255: the table of the flow
	InPort uint16 // the in_port for this lookup; resubmitInPort leaves it
	CT     bool   // look up by the connection's original direction
}

// resubmitInPort is OFPP_IN_PORT in the 16 bits of this action.
const resubmitInPort = 0xfff8

// Resubmit does the actions of the flow that matches in the table, then goes on with the next action.
func Resubmit(table uint8) Action { return ResubmitAction{Table: table, InPort: resubmitInPort} }

// ResubmitCT is Resubmit with the addresses and ports of the connection's original direction in place of the packet's.
func ResubmitCT(table uint8) Action {
	return ResubmitAction{Table: table, InPort: resubmitInPort, CT: true}
}

func (a ResubmitAction) appendTo(b []byte) []byte {
	subtype := uint16(nxResubmitTo)
	if a.CT {
		subtype = nxResubmitToCT
	}
	return append(put16(appendNicira(b, subtype, 16), a.InPort), a.Table, 0, 0, 0)
}

// ExitAction ends the processing of the packet, also in tables that resubmitted to this one.
type ExitAction struct{}

// Exit ends the processing of the packet.
func Exit() Action { return ExitAction{} }

func (ExitAction) appendTo(b []byte) []byte { return zeros(appendNicira(b, nxExit, 16), 6) }

// Clone does actions on a copy of the packet; what they change does not show afterwards.
type Clone struct{ Actions []Action }

func (a Clone) appendTo(b []byte) []byte {
	start := len(b)
	b = zeros(appendNicira(b, nxClone, 16), 6)
	return finish(appendActions(b, a.Actions), start)
}

// Controller sends the packet to the controllers, as a packet-in.
// An agent that is connected to the bridge's management socket gets those with ControllerID 0.
type Controller struct {
	MaxLen       uint16         // bytes of the packet to send; 0 means 65535, that is all. Open vSwitch since 2.7 sends all of it anyway
	Reason       PacketInReason // comes back in PacketIn.Reason; connections do not get ReasonInvalidTTL unless they ask for it
	ControllerID uint16         // which controllers; 0 is what connections have by default
	UserData     []byte         // comes back in PacketIn.UserData
	MeterID      uint32         // a meter that limits the packet-ins of this action; 0 is none
}

// noMeter is NX_CTLR_NO_METER.
const noMeter = 0

func (a Controller) appendTo(b []byte) []byte {
	maxLen := a.MaxLen
	if maxLen == 0 {
		maxLen = 0xffff
	}
	if len(a.UserData) == 0 && a.MeterID == noMeter {
		b = put16(appendNicira(b, nxController, 16), maxLen)
		return append(put16(b, a.ControllerID), a.Reason.wire(), 0)
	}
	start := len(b)
	b = zeros(appendNicira(b, nxController2, 0), 6)
	if maxLen != 0xffff {
		b = appendShort(b, propMaxLen, maxLen)
	}
	if a.ControllerID != 0 {
		b = appendShort(b, propControllerID, a.ControllerID)
	}
	if a.Reason != ReasonAction {
		b = append(put16(put16(b, propReason), 5), a.Reason.wire(), 0, 0, 0)
	}
	if len(a.UserData) != 0 {
		property := len(b)
		b = append(put16(put16(b, propUserData), uint16(4+len(a.UserData))), a.UserData...)
		b = pad8(b, property)
	}
	if a.MeterID != noMeter {
		b = put32(put16(put16(b, propMeterID), 8), a.MeterID)
	}
	return finish(b, start)
}

// Properties of Nicira's second controller action.
const (
	propMaxLen       = 0
	propControllerID = 1
	propReason       = 2
	propUserData     = 3
	propMeterID      = 5
)

// appendShort writes a property of 16 bits, which OpenFlow fills up to 8 bytes and counts them.
func appendShort(b []byte, kind, value uint16) []byte {
	return put16(put16(put16(put16(b, kind), 8), value), 0)
}

// CheckPktLargerAction writes into one bit whether the packet is longer than a limit.
type CheckPktLargerAction struct {
	Length uint16 // bytes, from the Ethernet header on
	Bit    Subfield
}

// CheckPktLarger writes 1 into a bit of f if the packet has more bytes than length, the Ethernet header included, and 0
// otherwise. Of a packet that conntrack put together, or that a device will cut, each piece is measured. Open vSwitch has it
// since 2.12, and does it in ovs-vswitchd where the datapath cannot (ovs-actions(7)). It panics if the field has no such bit.
func CheckPktLarger(length uint16, f Field, bit int) Action {
	return CheckPktLargerAction{length, Subfield{f, bit, 1}.check()}
}

func (a CheckPktLargerAction) appendTo(b []byte) []byte {
	b = put16(put16(appendNicira(b, nxCheckLarger, 24), a.Length), uint16(a.Bit.First))
	return zeros(put32(b, a.Bit.Field.legacyHeader()), 6)
}
