package policy

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// View is what a packet is judged by: the objects and the layers of one
// moment. The order of Layers does not matter.
type View struct {
	Inventory *inventory.Snapshot
	Layers    []*Layer
}

// Packet is the first packet of a connection, as the Pod network sees it:
// after DNAT, before SNAT.
type Packet struct {
	Source      netip.Addr
	Destination netip.Addr
	Protocol    abi.Protocol
	Port        uint16 // destination port; for ICMP and ICMPv6 type<<8 | code
	// ThroughService says that the source asked for a Service, and was given this
	// destination. It matters only where a Pod was given itself.
	ThroughService bool
}

// Verdict is what becomes of a packet: it passes if both ends allow it.
type Verdict struct {
	Allowed bool
	Egress  Decision // of the source
	Ingress Decision // of the destination
}

// Decision is what was decided in one direction, and by whom.
type Decision struct {
	Verdict abi.Action // Allow, Deny or Reject
	Tier    abi.Tier   // 0 if no tier decided
	Module  string     // "" if no module decided
	Name    string     // of the rule that decided, or of the first isolation
	Origin  abi.Origin // the same in the words of its author
	Reason  string     // a short phrase: "rule allows", "isolated", "no policy selects the Pod", "the Pod's own node", ...

	// Isolations lists every isolation of the Pod in the tier that denied by
	// default, ordered by module and name.
	Isolations []Isolation
}
