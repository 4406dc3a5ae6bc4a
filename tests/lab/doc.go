// Package lab tests Sluice on real packets: real Open vSwitch, real namespaces,
// the programs of bin/. The tests need root and `make build`, and say so.
package lab
