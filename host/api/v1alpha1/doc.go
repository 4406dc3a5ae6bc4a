// Package v1alpha1 is Sluice's part of the Kubernetes API: policy.sluice.dev.
//
// A PolicyModule says which policy module runs on every node, and what it may do.
// A NodePolicyStatus says what became of that on one node, and is written by the
// agent there. The CustomResourceDefinitions in deploy/crds are generated from
// this package (`make crds`), so every rule about a field is written here, once.
//
// The package holds data only. It depends on nothing but the Kubernetes API's own
// types, so that other programs can use it.
//
// +groupName=policy.sluice.dev
// +versionName=v1alpha1
package v1alpha1

// The group, its version, and its resources as an agent names them.
const (
	Group   = "policy.sluice.dev"
	Version = "v1alpha1"

	PolicyModules      = "policymodules." + Group
	NodePolicyStatuses = "nodepolicystatuses." + Group
)

// AgentNotReady is the taint that keeps Pods from a node whose agent does not
// enforce policy yet: a node is registered with it, and its agent removes it.
const AgentNotReady = "node.sluice.dev/agent-not-ready"
