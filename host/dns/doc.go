// Package dns reads what name servers answer and remembers which addresses a name
// has, so that policy can be about names.
//
// It promises that an address belongs to a name only if an answer to a question
// for that name said so, directly or through aliases (RFC 1034, 3.6.2), and only
// as long as the answer said, a grace period later at most; that a message that
// cannot be read in full says nothing; and that what it remembers is bounded,
// whatever servers send.
//
// It never asks anybody anything, changes a message, or decides what is allowed.
// It keeps nothing on disk: after a restart names are learnt anew as Pods ask.
package dns
