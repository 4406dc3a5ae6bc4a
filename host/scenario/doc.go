// Package scenario holds what packets or the policy model say against what a
// person wrote down. A scenario is a folder with manifests and a file named
// "expected"; the lab runs it on packets, `sluicectl module test` in the model.
//
// It knows names, addresses and ports only, and reads nothing but the one file.
package scenario
