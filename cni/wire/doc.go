// Package wire is how the CNI plugin asks the agent: one request and one response per connection to a unix socket, each one
// line of JSON of at most MaxLine bytes.
//
// What it promises: every wait ends with the context. What it never does: interpret a request, or know Kubernetes.
//
// When the plugin goes away before the answer, the agent sees the connection end and undoes what it has done so far.
package wire
