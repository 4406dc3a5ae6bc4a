package agent

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

// Rights are all that an agent's ServiceAccount needs in a cluster whose modules
// read NetworkPolicies and ClusterNetworkPolicies: the one table of what the agent
// reads and writes there. A module that watches more needs more.
func Rights() []rbacv1.PolicyRule {
	read := []string{"get", "list", "watch"}
	return []rbacv1.PolicyRule{
		// What policy is about; a Pod's get is for a CNI ADD that comes before the watch.
		{APIGroups: []string{""}, Resources: []string{"pods", "namespaces", "nodes", "services"}, Verbs: read},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: read},
		// What policy is.
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: read},
		{APIGroups: []string{"policy.networking.k8s.io"}, Resources: []string{"clusternetworkpolicies"}, Verbs: read},
		{APIGroups: []string{v1alpha1.Group}, Resources: []string{"policymodules"}, Verbs: read},
		// Whether a resource that is not served has gone for good.
		{APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: []string{"get"}},
		// What is in force on the node.
		{APIGroups: []string{v1alpha1.Group}, Resources: []string{"nodepolicystatuses"}, Verbs: []string{"get", "list", "create", "patch"}},
		// The taint that keeps Pods away until the agent is ready.
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"patch"}},
		// What the one agent that speaks for all says of policies and modules.
		{APIGroups: []string{v1alpha1.Group}, Resources: []string{"policymodules/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{"policy.networking.k8s.io"}, Resources: []string{"clusternetworkpolicies/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
}

// NamespaceRights are what it needs in its own namespace besides.
func NamespaceRights() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		// Modules in ConfigMaps.
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}},
		// Which agent speaks for all.
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "create", "update"}},
	}
}
