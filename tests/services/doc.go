// Package services tests Services with real packets on a real Open vSwitch: Pods in
// network namespaces behind one bridge, and the datapath that programmes it.
//
// There is no agent and no kube-proxy. What the bridge leaves to the gateway
// reaches the node's namespace, where a test looks for it.
package services
