// Package lab builds small clusters out of network namespaces on one machine,
// so that policy can be tried on real packets without Kubernetes.
//
// A lab has one namespace per node, each with its own Open vSwitch instance and
// its own sluice-agent; one namespace per Pod, wired by a primary CNI plugin and
// then by sluice-cni; a router that the nodes share; and an external host behind
// it. The primary is the real ptp with host-local, or a plugin of the lab's own
// (lab-routed) that wires nodes and Pods as those of a cloud. The lab knows the product only by its
// programs: their command lines, their sockets and the CNI protocol.
//
// It promises: everything that belongs to one lab lies in one directory and in
// namespaces of its own, so that labs run side by side, and nothing is created
// in the namespace of the caller; Close takes all of it down, also after a
// Start that failed half-way; the lab's programs end with the process that
// built it, even if that is killed.
//
// It never decides what a policy means (that is host/policy), and it never
// reads a policy: it hands policies to the agents as they were written. A probe
// counts as refused only if the same probe connected before, with no policy in
// force, and connected means that the right listener sent back the probe's own
// random number.
package lab
