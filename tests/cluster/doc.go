// Cluster builds and runs real Kubernetes clusters on one Linux machine, without a
// container registry.
//
//	go run ./tests/cluster build api              etcd and kube-apiserver, for tests of what talks to an API
//	go run ./tests/cluster up                     two nodes, until Ctrl-C
//	go run ./tests/cluster up -- kubectl get node two nodes for one command
//
// Programs are built from the Go module proxy and kept in the user's cache directory
// (package build), and images of them (package images). Package controlplane runs the
// control plane, apitest gives a test an API of its own; network and node make nodes,
// and rig puts all of it together.
package main
