// Package nettest makes network namespaces, and a node with wired Pods, for tests
// on real network stacks and a real Open vSwitch.
//
// What it promises: everything that it made is gone when the test and its
// subtests have ended; names are the test process's own, so that any number of
// tests run side by side.
//
// What it never does: touch the machine's own namespace, or wait without a bound.
package nettest
