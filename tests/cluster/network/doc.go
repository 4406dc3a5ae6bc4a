// Package network makes the wires of a test cluster: a namespace for the control
// plane, which is the router too, and one for each node, with a link between.
//
// Nothing is made in the caller's namespace. Nodes have addresses 10.90.0.11 and up,
// the control plane 10.90.0.1; node i routes 10.244.i.0/24 to its Pods.
//
// Namespaces are mounted as files in the cluster's directory; Close removes them, and
// with them every link.
package network
