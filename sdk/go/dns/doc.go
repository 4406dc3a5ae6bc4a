// Package dns is the capability to hear what name servers answer to Pods: who
// imports it gets objects of the resource abi.DNSAnswers, if the manifest asks for
// them and the operator grants them. Answer reads such an object.
package dns
