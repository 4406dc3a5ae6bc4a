// Package cluster says where Kubernetes objects come from.
//
// A Source hands objects to a Sink as batches of events, each of which is a
// coherent state to go to. The source in this package, Manifests, reads
// directories and files of manifests and watches them; it is how Sluice runs
// on a machine without Kubernetes, and how the lab and the verdict tool read
// their scenarios.
//
// It promises that whatever it hands over would have passed the API server's
// checks on the parts that Sluice reads, with the API server's defaults filled
// in; that everything it refuses is named with file, document and field; and
// that refusing never opens anything: the last good version of a refused
// object, and all objects of a file that cannot be read, stay in force.
//
// It never judges a packet, never writes a file, and knows no module.
//
// When it dies, nothing changes any more: what was handed over stays with the
// sink. A new one starts from the files alone.
package cluster
