// Package datapath turns policy into flows and keeps the bridge equal to them.
//
// It promises:
//
//   - one pipeline, declared as a table of data (pipeline.go), through which
//     every packet of every local Pod passes;
//   - flows derived from four inputs only: the local Pods (pod.go), the
//     members of sets as the inventory knows them (members.go), the rules
//     and isolations of all modules (rules.go), and the ports of Services
//     (services.go);
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
// # Services
//
// What a local Pod sends to a Service is given a backend before anything else
// happens to it: the table Service looks the connection up and translates it, and
// for one that is new the table Balance chooses, by the group of the Service's port.
// From then on it is a connection between client and backend, and is judged as
// such (SEMANTICS 16). What is sent back is translated last of all, in the table
// Reverse. So policy and Services know nothing of each other. What comes from the
// gateway, and what is sent to no known port of a Service, is not looked at: that
// is kube-proxy's.
//
// A Pod may be its own backend. What it sends to itself in that way skips the Network tier
// (SEMANTICS 19) and comes back to it from another address (HairpinAddresses).
//
// Clients of a port with affinity are remembered by flows that the switch learns,
// in the table Affinity. They live in the switch alone, and no comparison with what
// is wanted touches them while the port is there.
//
// # Zones of conntrack
//
//	number  what is in it                                    who writes      translates
//	0x51ce  every connection, as policy judges it; ct_mark   Commit          nothing
//	        1: a Service's, so replies are translated; 2: from
//	        the gateway, so replies go there
//	0x51cf  local Pod -> Service                             Balance's       destination: backend
//	                                                         groups, Backend
//	0x51d0  a Pod -> itself, through a Service               Reverse         source: HairpinAddresses
//
// A packet of a connection to a Service passes the second and the first on its way
// there, the first and the second on its way back.
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
