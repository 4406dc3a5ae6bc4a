// Package verdict asks the policy model what would become of a connection, in
// words and shapes for people: `sluicectl verdict` and the agent's admin API.
//
// It needs no switch. Load runs the real modules in their real sandboxes over a
// directory of manifests; Ask and Matrix put questions to the result.
package verdict
