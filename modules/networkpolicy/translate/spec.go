package translate

import (
	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// spec is a NetworkPolicySpec in canonical words.
type spec struct {
	subjects abi.Selector
	types    []abi.Direction
	ingress  []rule
	egress   []rule
}

// rule is a NetworkPolicyIngressRule or a NetworkPolicyEgressRule.
type rule struct {
	peers []peer
	ports []abi.Port
}

// peer is a NetworkPolicyPeer: a block, or Pods, or namespaces, or both of the
// latter.
type peer struct {
	pods, namespaces *abi.Selector
	block            *kube.Block
}

// isolates tells whether the policy is about a direction. "If this field is not
// specified, it will default based on the existence of ingress or egress rules;
// policies that contain an egress section are assumed to affect egress, and all
// policies (whether or not they contain an ingress section) are assumed to
// affect ingress." The API server takes an empty egress section for none.
func (s *spec) isolates(direction abi.Direction) bool {
	for _, t := range s.types {
		if t == direction {
			return true
		}
	}
	return len(s.types) == 0 && (direction == abi.Ingress || len(s.egress) > 0)
}
