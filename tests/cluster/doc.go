// Cluster builds and runs real Kubernetes clusters on one Linux machine, without a
// container registry.
//
//	go run ./tests/cluster build api      etcd and kube-apiserver, for tests of what talks to an API
//
// Programs are built from the Go module proxy and kept in the user's cache directory
// (package build); package controlplane runs them; package apitest gives a test an API
// of its own.
package main
