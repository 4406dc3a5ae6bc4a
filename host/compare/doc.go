// Package compare says which verdicts would change if other policy were in
// force: what a module's next version would newly allow and newly deny, between
// whom, on which ports.
//
// Nobody is asked twice about the same: Pods that no rule of either side can
// tell apart are one end, and so are addresses in the same blocks. A pair of
// ends is judged only if a rule or isolation that differs is about it, and only
// at those ports where some rule about the pair begins or ends.
//
// It promises that what it reports is true, as policy.Evaluate confirms each
// change on a pair of addresses that the report names, and that it finds
// all there is: the tests hold it against Evaluate on every pair of addresses.
//
// It never changes what it is given, never looks at packets or flows, and keeps
// nothing between two calls.
package compare
