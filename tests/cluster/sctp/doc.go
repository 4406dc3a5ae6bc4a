// Package sctp speaks SCTP (RFC 9260) over raw IP, for kernels that do not: it has the
// types and functions of github.com/ishidawataru/sctp that Kubernetes' agnhost uses, and
// is built into it in that module's place, so that the suites which judge SCTP have
// something to judge. What is on the wire is SCTP, with its ports and its checksum.
//
// What it promises: one stream, messages that fit into a packet, each delivered once and
// in order or reported as an error within seconds; no wait without an end.
//
// What it never does: refuse. A port that nobody listens on is silent, as another
// process of the same Pod may have it: there is no kernel that knows. Congestion
// control, several addresses and fragments are not there either.
//
// It needs CAP_NET_RAW. When the process ends, its associations end without a word.
package sctp
