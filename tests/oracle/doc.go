// Package oracle answers, for networking.k8s.io/v1 NetworkPolicy, whether a
// connection is allowed. It is written straight from the text of the API, on
// the types of k8s.io/api and the selectors of k8s.io/apimachinery, and shares
// no code with the module, the policy engine or the inventory: its tests hold
// those against it.
//
// It promises nothing about speed, and it is never linked into a program.
package oracle
