package openflow

import (
	"fmt"
	"net/netip"
)

// CT sends the packet through the connection tracker. It needs a match on EthType IPv4 or IPv6.
type CT struct {
	Commit bool   // remember the connection
	Force  bool   // with Commit: if the connection exists with the other direction as its original one, start it anew
	Zone   uint16 // connections of different zones do not know each other
	// ZoneField, if not the zero Subfield, holds the zone in 16 bits; Zone is then not used.
	ZoneField Subfield
	Table     uint8 // where a copy of the packet goes on, with CTState set; 255 (or 0, which cannot be a later table) is nowhere
	NAT       *NAT
	Exec      []Action // with Commit: SetField and Move on CTMark and CTLabel
	ALG       uint16   // a helper, by its well-known port: 21 for FTP, 69 for TFTP; 0 for none
}

// NAT tells CT to translate addresses. The zero NAT does what the connection's first packet decided.
type NAT struct {
	Source      bool // translate the source address; excludes Destination
	Destination bool
	// Min to Max is the range of new addresses. Max may be left out for one address; both, to keep the address.
	Min, Max netip.Addr
	// MinPort to MaxPort is the range of new ports; needs addresses. Zeros leave the choice to Open vSwitch.
	MinPort, MaxPort uint16
	Persistent       bool // choose the same address for a source every time
	Hash             bool // choose ports by hash; excludes Random
	Random           bool
}

const (
	ctCommit       = 1
	ctForce        = 2
	noTable        = 0xff
	natSource      = 1
	natDestination = 2
	natPersistent  = 4
	natHash        = 8
	natRandom      = 16
	natIPv4Min     = 1
	natIPv4Max     = 2
	natIPv6Min     = 4
	natIPv6Max     = 8
	natPortMin     = 16
	natPortMax     = 32
)

func (a CT) appendTo(b []byte) []byte {
	start := len(b)
	var flags uint16
	if a.Commit {
		flags |= ctCommit
	}
	if a.Force {
		flags |= ctForce
	}
	b = put16(appendNicira(b, nxCT, 0), flags)
	if a.ZoneField != (Subfield{}) {
		b = put16(put32(b, a.ZoneField.check().Field.legacyHeader()), a.ZoneField.ofsNBits())
	} else {
		b = put16(put32(b, 0), a.Zone)
	}
	table := a.Table
	if table == 0 {
		table = noTable
	}
	b = put16(append(b, table, 0, 0, 0), a.ALG)
	if a.NAT != nil {
		b = a.NAT.appendTo(b)
	}
	return finish(appendActions(b, a.Exec), start)
}

// validRange says that Min to Max is nothing, one address, or a range of one family.
func (n *NAT) validRange() bool {
	if !n.Max.IsValid() {
		return true
	}
	return n.Min.IsValid() && n.Min.Is4() == n.Max.Is4() && !n.Max.Less(n.Min)
}

// appendTo panics on ranges that are none, because they could not be sent as they are meant.
func (n *NAT) appendTo(b []byte) []byte {
	start := len(b)
	if !n.validRange() {
		panic(fmt.Sprintf("openflow: NAT to addresses from %s to %s: not a range of one family", n.Min, n.Max))
	}
	var present uint16
	if n.Min.IsValid() {
		present = natIPv6Min
		if n.Min.Is4() {
			present = natIPv4Min
		}
		if n.Max.IsValid() && n.Max != n.Min {
			present |= present << 1
		}
		if n.MinPort != 0 {
			present |= natPortMin
			if n.MaxPort > n.MinPort {
				present |= natPortMax
			}
		}
	}
	b = put16(put16(zeros(appendNicira(b, nxNAT, 0), 2), n.flags()), present)
	if n.Min.IsValid() {
		b = append(b, n.Min.AsSlice()...)
		if present&(natIPv4Max|natIPv6Max) != 0 {
			b = append(b, n.Max.AsSlice()...)
		}
		if present&natPortMin != 0 {
			b = put16(b, n.MinPort)
		}
		if present&natPortMax != 0 {
			b = put16(b, n.MaxPort)
		}
	}
	return finish(b, start)
}

func (n *NAT) flags() (flags uint16) {
	for _, f := range []struct {
		on  bool
		bit uint16
	}{{n.Source, natSource}, {n.Destination, natDestination}, {n.Persistent, natPersistent}, {n.Hash, natHash}, {n.Random, natRandom}} {
		if f.on {
			flags |= f.bit
		}
	}
	return flags
}

// CTClearAction forgets what the connection tracker said.
type CTClearAction struct{}

// CTClear forgets what the connection tracker said about the packet: CTState becomes 0.
func CTClear() Action { return CTClearAction{} }

func (CTClearAction) appendTo(b []byte) []byte { return zeros(appendNicira(b, nxCTClear, 16), 6) }

// ConjunctionAction makes a flow one of several that match together.
type ConjunctionAction struct {
	ID      uint32
	Clause  uint8 // from 1
	Clauses uint8
}

// Conjunction makes the flow satisfy one of nClauses (2 to 64) dimensions of the conjunctive match id; clause is counted from 1, as ovs-ofctl does.
// A packet that has a flow for each matches ConjID id. Such a flow has no actions but Conjunction and Note. It panics on numbers out of range.
func Conjunction(id uint32, clause, nClauses uint8) Action {
	if nClauses < 2 || nClauses > 64 || clause < 1 || clause > nClauses {
		panic(fmt.Sprintf("openflow: conjunction %d has no dimension %d of %d: there are 2 to 64, counted from 1", id, clause, nClauses))
	}
	return ConjunctionAction{id, clause, nClauses}
}

func (a ConjunctionAction) appendTo(b []byte) []byte {
	return put32(append(appendNicira(b, nxConjunction, 16), a.Clause-1, a.Clauses), a.ID)
}
