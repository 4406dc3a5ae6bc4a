package openflow

// Flow is one entry of a flow table. Flows are comparable with ==: a Flow that was added comes back from DumpFlows as an equal one.
type Flow struct {
	Table    uint8
	Priority uint16
	Cookie   uint64
	Match    Match
	Actions  Actions
	Goto     uint8 // the table where the packet goes on after Actions; must be above Table. 0 is none
	// IdleTimeout and HardTimeout are seconds after which Open vSwitch removes the flow: since its last packet, since it was added. 0 is never.
	IdleTimeout, HardTimeout uint16
	Flags                    FlowFlags
	Importance               uint16 // which flows to keep if a table with eviction is full; 0 in all flows that do not care
	// Extra holds instructions that this package does not make (write_actions and the like), as they came from a dump.
	// A Flow that was made by hand elsewhere thus differs from ours, and can be put back as it was.
	Extra string
}

// FlowFlags are OFPFF_* bits.
type FlowFlags uint16

// The flags that stay with a flow.
const (
	SendFlowRemoved FlowFlags = 1 << 0 // tell controllers when the flow goes
	NoPacketCounts  FlowFlags = 1 << 3
	NoByteCounts    FlowFlags = 1 << 4
)

// FlowKey identifies a flow: a table has at most one flow with a given priority and match.
type FlowKey struct {
	Table    uint8
	Priority uint16
	Match    Match
}

// Key is what identifies the flow.
func (f Flow) Key() FlowKey { return FlowKey{f.Table, f.Priority, f.Match} }
