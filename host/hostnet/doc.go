// Package hostnet changes the node's network around Sluice's bridge: it finds the veth of a Pod, moves the Pod's host routes
// to the gateway and back, and keeps neighbour entries, sysctls, checksum offload and the frame drop of the userspace
// datapath as they must be.
//
// What it promises: a route is replaced and never deleted first, so there is no moment without one; what it changed it can
// put back exactly, from values that survive as JSON; every call may be repeated.
//
// What it never does: run a program, change addresses other than the gateway's one, or change anything of a device that it was not told about.
//
// Nothing here lives in the process: when it dies, the kernel keeps the state.
package hostnet
