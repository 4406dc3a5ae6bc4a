// Package datapath turns policy into flows and keeps the bridge equal to them.
//
// It promises:
//
//   - one pipeline, declared as a table of data (pipeline.go), through which
//     every packet of every local Pod passes;
//   - flows derived from three inputs only: the local Pods (pod.go), the
//     members of sets as the inventory knows them (members.go), and the rules
//     and isolations of all modules (rules.go);
//   - that what is written is the difference to what is installed, in one
//     OpenFlow bundle followed by a barrier (book.go, realise.go).
//
// It never reads Kubernetes objects, never parses text of OVS tools, and never
// leaves a moment in which half of a change is in force.
//
// What policy may compile to is bounded (limits.go): a transaction that needs more
// is refused whole, and what was in force stays.
//
// A Datapath belongs to one goroutine. When the switch goes away the flows stay
// in it; when it comes back Resync compares a dump with what is wanted and
// writes the difference. When this process dies nothing happens to packets.
//
// # How a connection is judged
//
// A packet is judged as a part of its connection, in the direction in which the
// connection was opened. The classes of both ends are looked up by the packet's
// own addresses; for a reply they are then swapped (table Orient), so that the
// policy tables always see originator and responder. Ports are matched with
// ct_tp_dst, the destination port of the connection's first packet, which also
// makes every fragment carry the ports of its datagram. So a change of policy
// cuts both directions of a connection at once, without touching conntrack, and
// leaves alone what is still allowed.
//
// # Who decided
//
// The flow that ends a direction writes the number of its rule or isolation into a
// register, one for egress and one for ingress (decision.go). A packet that is denied
// goes to the table Denied, behind all others. There, and where new connections are
// committed, it is sent to the agent if it is to be refused (Reject) or logged,
// through a meter for each of the two (tell.go). Bits of a register say what is
// wanted, so that takes eight flows, however many rules there are. Of several rules
// that do the same thing at the same rank any may be named, but one that logs comes
// before one that does not.
//
// Meters are no part of bundles: Connect and Repair make them. The userspace
// datapath has them; the kernel's has since Linux 4.18. Without them nothing is
// sent: what is to be rejected is dropped, and nothing is logged.
package datapath
