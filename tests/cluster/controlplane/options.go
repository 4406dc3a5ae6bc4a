package controlplane

import (
	"github.com/sluice-net/sluice/tests/cluster/build"
)

// Options of a control plane.
type Options struct {
	// Dir is an empty directory for certificates, data and logs.
	Dir string
	// Programs are the paths by name (build.Programs).
	Programs map[string]string
	// Namespace is the file of the network namespace to run in. Empty: the caller's.
	Namespace string
	// Address of the API server: 127.0.0.1 if it is empty. Others must be assigned in
	// the namespace.
	Address string
	// Port of the API server. 0: a free one.
	Port int
	// Controllers adds kube-controller-manager, kube-scheduler and, if it is among
	// Programs, CoreDNS: what a cluster with nodes needs.
	Controllers bool
}

// APIPrograms are the programs without Controllers.
func APIPrograms() []string { return []string{build.Etcd, build.APIServer} }

// ClusterPrograms are the programs with Controllers.
func ClusterPrograms() []string {
	return append(APIPrograms(), build.ControllerManager, build.Scheduler, build.CoreDNS)
}

// Addresses that a cluster's programs must agree on.
const (
	ServiceCIDR = "10.96.0.0/16"
	serviceAPI  = "10.96.0.1" // of the Service kubernetes.default
	DNSAddress  = "10.96.0.10"
	DNSDomain   = "cluster.local"
)
