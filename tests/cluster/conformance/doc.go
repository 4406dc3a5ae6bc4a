// Package conformance runs other people's suites against a cluster with Sluice, as
// they are: of Kubernetes' e2e suite the cases of Netpol, and those in which a packet
// goes to a Service, and the conformance suite of network-policy-api.
//
// Nothing of a suite is changed. What is left out, and what skips itself, stands in the
// table with the reason.
package conformance
