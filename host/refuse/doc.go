// Package refuse writes the packets by which a rejected packet is answered: a TCP
// reset, or an ICMP error that says "administratively prohibited". A packet for which
// there is nobody is answered in the same way, by an error that says "port
// unreachable".
//
// It promises:
//
//   - pure functions of the packet: no state, no clock, no randomness;
//   - an answer that its receiver believes: a reset has the sequence number that
//     RFC 9293, 3.10.7.1 asks for and RFC 5961 insists on, an error quotes the
//     packet that it is about, and both come from the address that was asked;
//   - no loops: a reset, an ICMP error, a redirect, a packet to or from anything that
//     is not one host, and a fragment that is not the first, are never answered
//     (RFC 1122, 3.2.2; RFC 4443, 2.4), so no answer is ever answered.
//
// It never sends anything, and never looks at checksums of what it answers:
// a packet that came over a veth may not have got its own yet.
package refuse
