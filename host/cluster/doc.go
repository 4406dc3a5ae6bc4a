// Package cluster says where Kubernetes objects come from.
//
// A Source hands objects to a Sink as batches of events, each of which is a
// coherent state to go to. There are two. Kubernetes follows an API server, with
// a stream for each resource that the host reads or a module asks for. Manifests
// reads directories and files of manifests and watches them; it is how Sluice runs
// on a machine without Kubernetes, and how the lab and the verdict tool read
// their scenarios.
//
// Manifests promises that whatever it hands over would have passed the API
// server's checks on the parts that Sluice reads, with the API server's defaults
// filled in; that everything it refuses is named with file, document and field;
// and that refusing never opens anything: the last good version of a refused
// object, and all objects of a file that cannot be read, stay in force.
//
// Kubernetes promises that nothing is complete before the first full list of
// what the host reads; that after an outage nothing goes until a new list is
// complete; that a resource is empty only if the API server has said so; and that
// whatever keeps objects away is a problem with its remedy, while the rest goes on.
//
// It keeps on disk what it has handed over. One that starts while the API server
// does not answer begins with that, says so, and goes on with what the API server
// has once it does; a file that is damaged is not used at all.
//
// Neither judges a packet, writes to the API, or knows a module.
//
// When a source dies, nothing changes any more: what was handed over stays with
// the sink.
package cluster
