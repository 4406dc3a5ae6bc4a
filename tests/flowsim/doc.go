// Package flowsim is an Open vSwitch in a few pages: it takes flow mods, keeps
// flow tables, and says what they do to a packet. Tests hold it against the
// policy model, for thousands of clusters in the time that a real switch needs
// for one.
//
// It knows what the pipeline of host/datapath uses, nothing more, and fails on
// anything else. It is stricter than Open vSwitch in one point: if two flows of
// one priority match a packet and do different things, it fails instead of
// choosing. Free names registers for which that does not matter. Packets that a flow
// sends to the controller are part of the Outcome; meters are there, but measure
// nothing. Conntrack is what the test says of a packet, or, for a packet that is
// Stateful, a table of connections for each zone, with translation. A group chooses
// by the source port. Flows that are learned stay.
package flowsim
