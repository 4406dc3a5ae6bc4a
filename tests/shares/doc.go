// Package shares opens many connections to a Service on a real Open vSwitch, says how
// many of them each backend got, and how many it would have got from a fair die.
//
// It promises that each connection is counted once: by the groups' own counters, which
// count what opens a connection and nothing else.
//
// It never judges what is even enough.
package shares
