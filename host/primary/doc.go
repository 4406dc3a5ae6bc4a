// Package primary knows the primary CNI plugins behind which Sluice is chained: what of their nodes differs from one to the
// other, and which of them a node has.
//
// What it promises: all that Sluice does differently for one plugin or the other is a field of Profile, and nothing else asks
// which profile it is.
//
// What it never does: change anything. Where a Pod's routes, rules and neighbours are is read from the Pod and its node, and
// never assumed because of a profile.
//
// Nothing here lives longer than a call.
package primary
