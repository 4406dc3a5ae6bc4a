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
package datapath
