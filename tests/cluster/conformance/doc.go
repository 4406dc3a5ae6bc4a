// Package conformance runs other people's suites against a cluster with Sluice, as
// they are: the Netpol cases, and those of Services with a Pod as client, of Kubernetes' e2e suite, and the conformance suite of
// network-policy-api.
//
// Nothing of a suite is changed. Cases that this machine can not run (SCTP where the
// kernel has none) are left out by name, and the table says so.
package conformance
