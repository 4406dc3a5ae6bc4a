// Package recording keeps what a module was told and what it answered, and tells
// another run of a module from that.
//
// A Ring holds the last batches of one generation, within a bound of bytes. What
// falls out of it is folded into the state that it led to, so that a recording
// always begins with a whole state and can be replayed: a batch is a pure
// function of state (abi/README.md, 5). A Recording is a gzip file of JSON lines:
// a Header, then a Batch in each line.
//
// What it promises: a replay of the same module in its real sandbox is compared
// byte by byte with what was recorded. What it never does: judge packets, or put
// anything in force.
//
// When the process dies, a Ring is gone; a file was written whole or not at all.
package recording
