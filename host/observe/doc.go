// Package observe lets people and programs see what the agent does: metrics
// for Prometheus, and an admin API, which is HTTP with JSON on a unix socket
// that only its owner may open. The profiles of Go's runtime are there as well.
//
// The audit log (AuditLog) is a file with a line of JSON for every decision about a
// new connection that somebody wants to know of.
//
// It promises that asking changes nothing: the API only reads. A server takes
// over the socket of one that died, never that of one that lives. Whatever goes
// wrong is answered as JSON that names the object, the field, the reason and
// what to do.
//
// It knows nothing of what it shows: the agent gives it functions to ask.
//
// When it dies, packets and policy do not notice; only sluicectl and the
// dashboards go blind.
package observe
