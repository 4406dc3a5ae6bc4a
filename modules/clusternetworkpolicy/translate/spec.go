package translate

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
)

// spec is a ClusterNetworkPolicySpec.
type spec struct {
	tier     abi.Tier
	priority int64
	subjects pods
	ingress  []rule
	egress   []rule
}

// pods are those that pod selects in the namespaces that namespace selects.
type pods struct {
	namespace, pod abi.Selector
}

// rule is a ClusterNetworkPolicyIngressRule or a ClusterNetworkPolicyEgressRule.
type rule struct {
	name   string
	action abi.Action
	peers  []peer
	ports  []abi.Port
	closed string // why the rule fails closed; empty if it does not
}

// peer has one of its members set. Without any it is a peer of a kind that is
// not known.
type peer struct {
	pods     *pods
	nodes    *abi.Selector
	networks []netip.Prefix
}
