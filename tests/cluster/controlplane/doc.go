// Package controlplane runs the control plane of a Kubernetes cluster: etcd and
// kube-apiserver, and what makes a cluster of it where there are nodes.
//
// The first two alone, on loopback, are a real API for tests of what talks to one:
// they answer after a few seconds, any number of them side by side.
//
// What it promises: Start returns when the API server says that it is ready. All
// programs end with Close, or with the process. Authorization is Node and RBAC, as in
// a cluster, so a client that is made with Kubeconfig may do what RBAC lets it do.
//
// What it never does: keep anything. etcd does not sync to disk, and its directory is
// the caller's to remove.
package controlplane
