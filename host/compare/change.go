package compare

import (
	"fmt"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// Kind is in what way a verdict changes.
type Kind string

// The kinds.
const (
	NewAllow Kind = "allow"  // refused before, allowed after
	NewDeny  Kind = "deny"   // allowed before, refused after
	Answer   Kind = "answer" // refused before and after, but once silently and once with an answer
)

// Change is one change of verdict between two ends.
type Change struct {
	Kind     Kind
	From, To End
	Family   Family
	Ports    []PortRange // sorted; never empty
	// Sample is a packet whose verdict changes, Before and After what becomes of
	// it, with the rules that decide.
	Sample        policy.Packet
	Before, After policy.Verdict
	// Pairs is how many pairs of a Pod and another Pod, node or block of
	// addresses this is about.
	Pairs uint64
}

// EndKind says what an End is.
type EndKind string

// The kinds of ends.
const (
	Pods    EndKind = "pods"
	Nodes   EndKind = "nodes"
	Outside EndKind = "outside" // addresses of neither
)

// End is one side of connections: all that policy cannot tell apart.
type End struct {
	Kind  EndKind
	Names []string // a few of them: namespace/name, the node's name, or a CIDR
	Count int      // how many there are; 1 for Outside
}

// String is the end in a few words.
func (e End) String() string {
	if len(e.Names) == 0 {
		return string(e.Kind)
	}
	text := e.Names[0]
	if e.Kind == Nodes {
		text = "node " + text
	}
	if e.Count > 1 {
		text += fmt.Sprintf(" and %d more", e.Count-1)
	}
	return text
}

// Family is an address family, or both.
type Family string

// The families.
const (
	Both Family = ""
	IPv4 Family = "IPv4"
	IPv6 Family = "IPv6"
)

// PortRange is destination ports of one protocol, First to Last. Of ICMP and
// ICMPv6 they are type<<8|code. AnyProtocol with 0 to 65535 is everything.
type PortRange struct {
	Protocol    abi.Protocol
	First, Last uint16
	// Other: every protocol but TCP, UDP, SCTP and ICMP.
	Other bool
}

// String is the range as "TCP/80", "UDP/53-60", "TCP" or "any".
func (r PortRange) String() string {
	name := policy.ProtocolName(r.Protocol)
	if r.Other {
		return "other protocols"
	}
	icmp := r.Protocol == abi.ICMP || r.Protocol == abi.ICMPv6
	switch {
	case r.First == 0 && r.Last == maxPort:
		return name
	case icmp && r.First == r.Last:
		return fmt.Sprintf("%s/type %d code %d", name, r.First>>8, r.First&0xff)
	case icmp && r.First&0xff == 0 && r.Last&0xff == 0xff && r.First>>8 == r.Last>>8:
		return fmt.Sprintf("%s/type %d", name, r.First>>8)
	case icmp:
		return fmt.Sprintf("%s/types %d.%d-%d.%d", name, r.First>>8, r.First&0xff, r.Last>>8, r.Last&0xff)
	case r.First == r.Last:
		return fmt.Sprintf("%s/%d", name, r.First)
	}
	return fmt.Sprintf("%s/%d-%d", name, r.First, r.Last)
}

const maxPort = 65535

// Result of a comparison.
type Result struct {
	Changes []Change // at most Options.Limit of them
	// Left is how many changes are not listed.
	Left int
	// NewAllows, NewDenies and Answers count pairs of a Pod and another Pod,
	// node or block of addresses with a change of that kind, listed or not.
	NewAllows, NewDenies, Answers uint64
	// Ends is how many there are, Judged how many pairs of them were looked at.
	Ends, Judged int
}

// Same says that no verdict changes.
func (r Result) Same() bool { return r.NewAllows == 0 && r.NewDenies == 0 && r.Answers == 0 }
