// Package bench measures what Sluice promises: each figure beside a peer that
// does the same work in another way, on the same machine and in the same
// minutes, and beside the aim. README.md says how to read the table.
//
// Every measurement is a function of its size. `make bench` runs all of them at
// full size and prints one table; the tests run them at a small one, so that they
// do not rot, and check the figures that are counts and so are the same on every
// machine.
package bench
