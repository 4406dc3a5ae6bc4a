package openflow

import "fmt"

// String is the flow as `ovs-ofctl dump-flows --no-stats` prints it; `ovs-ofctl add-flow` understands it,
// unless the flow has fields, actions or instructions that this package does not know.
func (f Flow) String() string {
	var b []byte
	if f.Cookie != 0 {
		b = fmt.Appendf(b, "cookie=%#x, ", f.Cookie)
	}
	if f.Table != 0 {
		b = fmt.Appendf(b, "table=%d, ", f.Table)
	}
	if f.IdleTimeout != 0 {
		b = fmt.Appendf(b, "idle_timeout=%d, ", f.IdleTimeout)
	}
	if f.HardTimeout != 0 {
		b = fmt.Appendf(b, "hard_timeout=%d, ", f.HardTimeout)
	}
	b = f.Flags.appendText(b)
	if f.Importance != 0 {
		b = fmt.Appendf(b, "importance=%d, ", f.Importance)
	}
	before := len(b)
	b = f.Match.appendText(b, &f.Priority)
	if len(b) > before {
		b = append(b, ' ')
	}
	b = append(b, "actions="...)
	if f.Goto == 0 || !f.Actions.IsDrop() {
		b = f.Actions.appendText(b)
	}
	if f.Extra != "" {
		b = fmt.Appendf(b, ",instructions(%x)", f.Extra)
	}
	if f.Goto != 0 {
		if !f.Actions.IsDrop() {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "goto_table:%d", f.Goto)
	}
	return string(b)
}

func (f FlowFlags) appendText(b []byte) []byte {
	if f&SendFlowRemoved != 0 {
		b = append(b, "send_flow_rem "...)
	}
	if f&NoPacketCounts != 0 {
		b = append(b, "no_packet_counts "...)
	}
	if f&NoByteCounts != 0 {
		b = append(b, "no_byte_counts "...)
	}
	return b
}

// String is the key as ovs-ofctl's del-flows --strict understands it.
func (k FlowKey) String() string {
	b := fmt.Appendf(nil, "table=%d,priority=%d", k.Table, k.Priority)
	if !k.Match.IsZero() {
		b = k.Match.appendText(append(b, ','), nil)
	}
	return string(b)
}
