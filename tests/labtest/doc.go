// Package labtest starts labs for tests and measurements: the programs that
// `make build` made, on real network stacks, gone when the test has ended.
package labtest
