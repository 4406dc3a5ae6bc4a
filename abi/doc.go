// Package abi is the contract between the Sluice host and a policy module: the
// messages that cross the border, and a codec for them.
//
// The schema is abi.proto; README.md in this directory is the normative text.
// The codec speaks the protobuf wire format and nothing else of protobuf. It
// depends on two small standard packages, compiles for wasip1, and is linked
// into hosts and into modules alike.
//
// What the codec promises: input from a stranger never makes it panic, loop
// without end or allocate more than a small multiple of the input (see
// MaxExpansion); everything it appends, protoc reads, and the reverse. What it
// never does: judge meaning. That a rule names an existing set, that a CIDR
// parses, that a name is short enough is for the reader of the message.
//
// The package keeps no state; nothing in it dies.
package abi
