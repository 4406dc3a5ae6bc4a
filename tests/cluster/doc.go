// Cluster builds and runs real Kubernetes clusters on one Linux machine, without a
// container registry.
//
//	go run ./tests/cluster build api              etcd and kube-apiserver, for tests of what talks to an API
//	go run ./tests/cluster up                     two nodes, until Ctrl-C
//	go run ./tests/cluster up -- kubectl get node two nodes for one command
//	go run ./tests/cluster up --sluice            two nodes with Sluice, of what make build made
//	go run ./tests/cluster conformance            other people's suites against Sluice
//
// Programs are built from the Go module proxy and kept in the user's cache directory
// (package build), and images of them (package images). Package controlplane runs the
// control plane, apitest gives a test an API of its own; network and node make nodes,
// and rig puts all of it together. Package installed adds Sluice, daemonset tests it as
// its operator sees it, and conformance runs the suites, whose servers and clients
// speak package sctp where the kernel has none. `make bench-cluster` runs the
// benchmarks of api and daemonset, whose results package figures writes.
package main
