// Package api tests what talks to the Kubernetes API against a real one: etcd and
// kube-apiserver on loopback, without nodes.
package api
