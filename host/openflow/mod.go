package openflow

import "fmt"

// Mod is one modification of the flow tables or groups, to be applied in a bundle.
type Mod struct {
	kind   modKind
	flow   Flow
	filter FlowFilter
	group  *groupMod
}

type modKind uint8

const (
	modNone modKind = iota
	modAdd
	modModify
	modDeleteStrict
	modDelete
	modGroup
)

// AddFlow adds the flow, in place of any that has its key. That one's counters go on.
func AddFlow(f Flow) Mod { return Mod{kind: modAdd, flow: f} }

// ModifyFlowStrict gives the flow with f's key f's actions and Goto, and keeps its counters, timeouts, cookie and flags.
// If there is no such flow, nothing happens.
func ModifyFlowStrict(f Flow) Mod { return Mod{kind: modModify, flow: f} }

// DeleteFlowStrict deletes the flow with the key, if there is one.
func DeleteFlowStrict(key FlowKey) Mod {
	return Mod{kind: modDeleteStrict, flow: Flow{Table: key.Table, Priority: key.Priority, Match: key.Match}}
}

// DeleteFlows deletes all flows that the filter selects.
func DeleteFlows(filter FlowFilter) Mod { return Mod{kind: modDelete, filter: filter} }

// FlowFilter selects flows. The zero FlowFilter selects all.
type FlowFilter struct {
	Table TableFilter
	// Cookie selects flows whose cookie is the same in the bits of CookieMask.
	Cookie, CookieMask uint64
	// Match selects flows that match no packets but those that it matches: it is at least as specific in every field.
	Match   Match
	OutPort uint32 // select flows that output to this port; 0 is no restriction
}

// TableFilter is one table or all of them; the zero value is all.
type TableFilter uint16

// InTable selects one table.
func InTable(table uint8) TableFilter { return TableFilter(table) + 1 }

func (t TableFilter) wire() uint8 {
	if t == 0 {
		return 0xff
	}
	return uint8(t - 1)
}

func (f *FlowFilter) outPort() uint32 {
	if f.OutPort == 0 {
		return PortAny
	}
	return f.OutPort
}

// String is the modification in ovs-ofctl's syntax, for error messages.
func (m Mod) String() string {
	switch m.kind {
	case modAdd:
		return "add-flow " + m.flow.String()
	case modModify:
		return "mod-flows --strict " + m.flow.String()
	case modDeleteStrict:
		return "del-flows --strict " + m.flow.Key().String()
	case modDelete:
		table := "all tables"
		if m.filter.Table != 0 {
			table = fmt.Sprintf("table=%d", m.filter.Table.wire())
		}
		return fmt.Sprintf("del-flows %s,cookie=%#x/%#x,%s", table, m.filter.Cookie, m.filter.CookieMask, m.filter.Match)
	case modGroup:
		return m.group.String()
	}
	return "the zero Mod"
}

// Flow is the flow that the modification adds or changes; ok is false for other modifications.
func (m Mod) Flow() (f Flow, ok bool) {
	return m.flow, m.kind == modAdd || m.kind == modModify
}

// Commands of flow-mods.
const (
	flowAdd          = 0
	flowModifyStrict = 2
	flowDelete       = 3
	flowDeleteStrict = 4
)

// appendTo encodes the modification as a message of its own.
func (m *Mod) appendTo(b []byte, xid uint32) []byte {
	start := len(b)
	switch m.kind {
	case modGroup:
		b = m.group.appendTo(begin(b, msgGroupMod, xid))
	case modDelete:
		b = put64(put64(begin(b, msgFlowMod, xid), m.filter.Cookie), m.filter.CookieMask)
		b = append(b, m.filter.Table.wire(), flowDelete)
		b = appendMatch(flowModTail(b, 0, 0, 0, m.filter.outPort(), 0, 0), m.filter.Match)
	case modDeleteStrict:
		b = append(zeros(begin(b, msgFlowMod, xid), 16), m.flow.Table, flowDeleteStrict)
		b = appendMatch(flowModTail(b, 0, 0, m.flow.Priority, PortAny, 0, 0), m.flow.Match)
	default:
		b = m.appendFlow(b, xid)
	}
	return finishMessage(b, start)
}

func (m *Mod) appendFlow(b []byte, xid uint32) []byte {
	f := &m.flow
	command := byte(flowAdd)
	if m.kind == modModify {
		command = flowModifyStrict
	}
	b = append(put64(put64(begin(b, msgFlowMod, xid), f.Cookie), 0), f.Table, command)
	b = flowModTail(b, f.IdleTimeout, f.HardTimeout, f.Priority, PortAny, f.Flags, f.Importance)
	return f.appendInstructions(appendMatch(b, f.Match))
}

// flowModTail writes what comes between a flow-mod's command and its match.
func flowModTail(b []byte, idle, hard, priority uint16, outPort uint32, flags FlowFlags, importance uint16) []byte {
	const noBuffer, anyGroup = 0xffffffff, 0xffffffff
	b = put16(put16(put16(b, idle), hard), priority)
	b = put32(put32(put32(b, noBuffer), outPort), anyGroup)
	return put16(put16(b, uint16(flags)), importance)
}

// Types of instructions.
const (
	instructionGoto  = 1
	instructionApply = 4
)

func (f *Flow) appendInstructions(b []byte) []byte {
	if f.Actions.wire != "" {
		b = put16(put16(b, instructionApply), uint16(8+len(f.Actions.wire)))
		b = append(put32(b, 0), f.Actions.wire...)
	}
	b = append(b, f.Extra...)
	if f.Goto != 0 {
		b = append(put16(put16(b, instructionGoto), 8), f.Goto, 0, 0, 0)
	}
	return b
}

// tooLong is the reason why a modification cannot be sent, nil if it can.
func (m *Mod) tooLong(length int) error {
	if length <= maxMod {
		return nil
	}
	text := m.String()
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return fmt.Errorf("%s: takes %d bytes, the limit is %d; split its actions or buckets", text, length, maxMod)
}
