// Package kube reads the words that Kubernetes policy objects share (label
// selectors, CIDRs, ports) from JSON and turns them into sets of the ABI with
// names made of their content, so that everybody who means the same Pods or
// addresses names the same set.
//
// It promises that nothing empty or unknown is ever read as "everything": what
// Kubernetes writes as {} selects everything, what merely contains no word that
// this package knows is an error. It keeps nothing between calls, holds no
// reference to the JSON it was given, and needs neither encoding/json nor any
// Kubernetes library, so that a Wasm module that uses it stays small.
package kube
