// Package openflow speaks OpenFlow 1.5 with the extensions of Nicira to Open vSwitch, over a bridge's management socket.
// It is a codec and a connection. It knows nothing of Pods, and could be used by other programs as it is.
//
// # What it promises
//
// Flow, Match and Actions are comparable with ==. What was added by Apply comes back from DumpFlows as an equal value: matches
// and actions are encoded in the form that Open vSwitch itself uses, and the decoder undoes what it rewrites (registers
// in pairs, packet_type, masks over all bits). So the difference between two sets of flows is a comparison of maps.
//
// Apply is atomic: all of it takes effect at once and in order, or nothing does, and which of the two is known unless the
// connection breaks in the moment of the commit, for which there is ErrOutcomeUnknown. When it returns without an error,
// packets are processed by the new flows.
//
// One goroutine reads and never waits for anything else, so answers get through while a large bundle is being written.
//
// # What it never does
//
// It never reconnects, retries, or asks for a role other than EQUAL, so it takes nothing from other controllers.
// It keeps no copy of flows. It has no state outside Conn, and no C.
// Decoding never panics, whatever Open vSwitch sends; what it does not know it keeps as bytes. The functions that make
// matches and actions do panic, on what cannot be written down at all: a port of 17 bits, a MAC address for an IP field.
//
// # When it dies
//
// If the process or the connection ends, flows stay as they are. A bundle that was not committed is forgotten by Open vSwitch.
// If ovs-vswitchd ends, Done is closed, and all calls return an error.
package openflow
