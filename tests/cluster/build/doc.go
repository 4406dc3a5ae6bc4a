// Package build makes the programs of a Kubernetes cluster out of their source in
// the Go module proxy, and keeps them in the user's cache directory.
//
// What it promises: a program is built once for what decides it (the pins of its
// folder, the Go release, the package and its flags) and found again by every later
// run. It appears under its name when it is whole. Builds of several processes
// wait for each other, as each takes all cores.
//
// The folders below hold nothing but pins: go.mod files in which every module of
// the Kubernetes release is replaced by the same release, as upstream's own go.mod
// does by directories.
//
// What it never does: write into the repository, or raise a version.
//
// When the process dies, a half-built program is not found by the next one.
package build
