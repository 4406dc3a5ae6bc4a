// Package contents says what is in Sluice's images, where no registry can be reached
// from: the same files at the same places as deploy/Dockerfile puts them.
//
// The image sluice has the programs of `make build` and the modules, and nothing else.
// The image openvswitch has the daemons and tools of this machine's package, the
// libraries that they are linked to, and a shell for the scripts that start them.
package contents
