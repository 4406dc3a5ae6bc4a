package openflow

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
)

// String is the list as ovs-ofctl prints it, for example "dec_ttl,output:3".
func (a Actions) String() string { return string(a.appendText(nil)) }

func (a Actions) appendText(b []byte) []byte {
	actions, err := a.Decode()
	if err != nil {
		actions = append(actions, UnknownAction{Wire: []byte(a.wire)})
	}
	if len(actions) == 0 {
		return append(b, "drop"...)
	}
	return appendActionsText(b, actions)
}

func appendActionsText(b []byte, actions []Action) []byte {
	for i, a := range actions {
		if i > 0 {
			b = append(b, ',')
		}
		b = a.appendText(b)
	}
	return b
}

func (a OutputAction) appendText(b []byte) []byte {
	if a.Port < PortMax {
		b = append(b, "output:"...)
	}
	b = appendPort(b, uint64(a.Port))
	if a.Port == PortController {
		b = fmt.Appendf(b, ":%d", a.MaxLen)
	}
	return b
}

func (a OutputFieldAction) appendText(b []byte) []byte {
	return a.Port.appendText(append(b, "output:"...))
}

func (a CheckPktLargerAction) appendText(b []byte) []byte {
	return a.Bit.appendText(fmt.Appendf(b, "check_pkt_larger(%d)->", a.Length))
}

func (a GroupAction) appendText(b []byte) []byte { return fmt.Appendf(b, "group:%d", a.ID) }
func (a MeterAction) appendText(b []byte) []byte { return fmt.Appendf(b, "meter:%d", a.ID) }
func (ExitAction) appendText(b []byte) []byte    { return append(b, "exit"...) }
func (DecTTLAction) appendText(b []byte) []byte  { return append(b, "dec_ttl"...) }
func (PopVLANAction) appendText(b []byte) []byte { return append(b, "pop_vlan"...) }
func (CTClearAction) appendText(b []byte) []byte { return append(b, "ct_clear"...) }

func (a PushVLANAction) appendText(b []byte) []byte {
	return fmt.Appendf(b, "push_vlan:0x%04x", a.EtherType)
}

func (a ResubmitAction) appendText(b []byte) []byte {
	if a.InPort != resubmitInPort && a.Table == 0xff {
		return appendPort(append(b, "resubmit:"...), uint64(a.InPort))
	}
	b = append(b, "resubmit("...)
	if a.InPort != resubmitInPort {
		b = appendPort(b, uint64(a.InPort))
	}
	b = append(b, ',')
	if a.Table != 0xff {
		b = strconv.AppendUint(b, uint64(a.Table), 10)
	}
	if a.CT {
		b = append(b, ",ct"...)
	}
	return append(b, ')')
}

func (a Clone) appendText(b []byte) []byte {
	return append(appendActionsText(append(b, "clone("...), a.Actions), ')')
}

func (a Controller) appendText(b []byte) []byte {
	maxLen := a.MaxLen
	if maxLen == 0 {
		maxLen = 0xffff
	}
	if a.Reason == ReasonAction && a.ControllerID == 0 && len(a.UserData) == 0 && a.MeterID == noMeter {
		return fmt.Appendf(b, "CONTROLLER:%d", maxLen)
	}
	b = append(b, "controller("...)
	if a.Reason != ReasonAction {
		b = fmt.Appendf(b, "reason=%s,", a.Reason)
	}
	if maxLen != 0xffff {
		b = fmt.Appendf(b, "max_len=%d,", maxLen)
	}
	if a.ControllerID != 0 {
		b = fmt.Appendf(b, "id=%d,", a.ControllerID)
	}
	if len(a.UserData) != 0 {
		b = append(appendDotted(append(b, "userdata="...), a.UserData), ',')
	}
	if a.MeterID != noMeter {
		b = fmt.Appendf(b, "meter_id=%d,", a.MeterID)
	}
	b[len(b)-1] = ')'
	return b
}

// appendDotted writes bytes as "01.ab.ff".
func appendDotted(b, data []byte) []byte {
	for i := range data {
		if i > 0 {
			b = append(b, '.')
		}
		b = hex.AppendEncode(b, data[i:i+1])
	}
	return b
}

func (a SetFieldAction) appendText(b []byte) []byte {
	if a.Clause.field == unknownField {
		return fmt.Appendf(b, "set_field:oxm(%x)", a.Clause.raw)
	}
	b = append(b, "set_field:"...)
	if a.Clause.matchesAll() {
		b = append(b, "ANY"...)
	} else {
		b = a.Clause.appendValue(b)
	}
	return append(append(b, "->"...), a.Clause.field.info().name...)
}

func (a MoveAction) appendText(b []byte) []byte {
	return a.Dst.appendText(append(a.Src.appendText(append(b, "move:"...)), "->"...))
}

func (a StackAction) appendText(b []byte) []byte {
	if a.Pop {
		return a.Subfield.appendText(append(b, "pop:"...))
	}
	return a.Subfield.appendText(append(b, "push:"...))
}

// String is the range as ovs-ofctl prints it, for example "NXM_NX_REG0[0..15]".
func (s Subfield) String() string { return string(s.appendText(nil)) }

func (s Subfield) appendText(b []byte) []byte {
	b = append(b, s.Field.info().nxm...)
	switch {
	case s.First == 0 && s.Bits == s.Field.subfieldBits():
		return append(b, "[]"...)
	case s.Bits == 1:
		return fmt.Appendf(b, "[%d]", s.First)
	}
	return fmt.Appendf(b, "[%d..%d]", s.First, s.First+s.Bits-1)
}

func (a NoteAction) appendText(b []byte) []byte {
	// The padding is shown too, because to Open vSwitch it is part of the note.
	wire := a.appendTo(nil)
	return appendDotted(append(b, "note:"...), wire[10:])
}

func (a UnknownAction) appendText(b []byte) []byte { return fmt.Appendf(b, "unknown(%x)", a.Wire) }

func (a ConjunctionAction) appendText(b []byte) []byte {
	return fmt.Appendf(b, "conjunction(%d,%d/%d)", a.ID, a.Clause, a.Clauses)
}

func (a CT) appendText(b []byte) []byte {
	b = append(b, "ct("...)
	start := len(b)
	if a.Commit {
		b = append(b, "commit,"...)
	}
	if a.Force {
		b = append(b, "force,"...)
	}
	if a.Table != 0 && a.Table != noTable {
		b = fmt.Appendf(b, "table=%d,", a.Table)
	}
	if a.ZoneField != (Subfield{}) {
		b = append(a.ZoneField.appendText(append(b, "zone="...)), ',')
	} else if a.Zone != 0 {
		b = fmt.Appendf(b, "zone=%d,", a.Zone)
	}
	if a.NAT != nil {
		b = append(a.NAT.appendText(b), ',')
	}
	if len(a.Exec) > 0 {
		b = append(appendActionsText(append(b, "exec("...), a.Exec), "),"...)
	}
	switch a.ALG {
	case 0:
	case 21:
		b = append(b, "alg=ftp,"...)
	case 69:
		b = append(b, "alg=tftp,"...)
	default:
		b = fmt.Appendf(b, "alg=%d,", a.ALG)
	}
	if len(b) > start {
		b = b[:len(b)-1]
	}
	return append(b, ')')
}

func (n *NAT) appendText(b []byte) []byte {
	b = append(b, "nat"...)
	if !n.Source && !n.Destination {
		return b
	}
	if n.Source {
		b = append(b, "(src"...)
	} else {
		b = append(b, "(dst"...)
	}
	if !n.Min.IsValid() {
		return append(b, ')')
	}
	b = n.appendAddr(append(b, '='), n.Min)
	if n.Max.IsValid() && n.Max != n.Min {
		b = n.appendAddr(append(b, '-'), n.Max)
	}
	if n.MinPort != 0 {
		b = fmt.Appendf(b, ":%d", n.MinPort)
		if n.MaxPort > n.MinPort {
			b = fmt.Appendf(b, "-%d", n.MaxPort)
		}
	}
	for _, option := range []struct {
		on   bool
		name string
	}{{n.Persistent, "persistent"}, {n.Hash, "hash"}, {n.Random, "random"}} {
		if option.on {
			b = append(append(b, ','), option.name...)
		}
	}
	return append(b, ')')
}

// appendAddr puts brackets around an IPv6 address that ports follow.
func (n *NAT) appendAddr(b []byte, addr netip.Addr) []byte {
	if addr.Is4() || n.MinPort == 0 {
		return addr.AppendTo(b)
	}
	return append(addr.AppendTo(append(b, '[')), ']')
}

func (a Learn) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "learn(table=%d", a.Table)
	for _, option := range []struct {
		name  string
		value uint16
		none  uint16
	}{
		{"idle_timeout", a.IdleTimeout, 0},
		{"hard_timeout", a.HardTimeout, 0},
		{"fin_idle_timeout", a.FinIdleTimeout, 0},
		{"fin_hard_timeout", a.FinHardTimeout, 0},
		{"priority", a.Priority, defaultPriority},
	} {
		if option.value != option.none {
			b = fmt.Appendf(b, ",%s=%d", option.name, option.value)
		}
	}
	if a.SendFlowRemoved {
		b = append(b, ",send_flow_rem"...)
	}
	if a.DeleteLearned {
		b = append(b, ",delete_learned"...)
	}
	if a.Cookie != 0 {
		b = fmt.Appendf(b, ",cookie=%#x", a.Cookie)
	}
	for i := range a.Specs {
		b = a.Specs[i].appendText(append(b, ','))
	}
	return append(b, ')')
}

func (s *LearnSpec) appendText(b []byte) []byte {
	switch s.kind {
	case learnConstant | learnToMatch:
		if s.to.First != 0 || s.to.Bits != s.to.Field.Bits() {
			return appendHex(append(s.to.appendText(b), '='), s.value)
		}
		c := Clause{field: s.to.Field, size: s.to.Field.info().size}
		for i, j := len(s.value)-1, int(c.size)-1; i >= 0 && j >= 0; i, j = i-1, j-1 {
			c.value[j] = s.value[i]
		}
		return c.appendValue(append(append(b, s.to.Field.info().name...), '='))
	case learnConstant | learnToLoad:
		return s.to.appendText(append(appendHex(append(b, "load:"...), s.value), "->"...))
	case learnToMatch:
		b = s.to.appendText(b)
		if s.from != s.to {
			b = s.from.appendText(append(b, '='))
		}
		return b
	case learnToLoad:
		return s.to.appendText(append(s.from.appendText(append(b, "load:"...)), "->"...))
	}
	return s.from.appendText(append(b, "output:"...))
}
