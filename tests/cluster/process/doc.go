// Package process runs the programs of a test cluster.
//
// What it promises: a program ends with the process that started it, even if that
// is killed; what it writes is in a file; who waits for it learns that it ended, with
// its last lines.
//
// What it never does: signal anything that it did not start.
package process
