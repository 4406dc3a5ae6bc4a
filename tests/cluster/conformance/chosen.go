package conformance

import "regexp"

// The suites of Kubernetes (test/e2e/network).
const (
	Netpol   = "Kubernetes e2e, Netpol"
	Services = "Kubernetes e2e, Services from Pods"
)

// pairOfPods is what SCTP must not rely on (RATIONALE.md, "How is SCTP judged").
const pairOfPods = "for the conntrack of Open vSwitch 3.1's userspace datapath two associations of one pair of Pods are one connection"

// NetpolCases are all of Netpol.
func NetpolCases() E2E {
	return E2E{
		Suite: Netpol, Cases: `\[sig-network\] Netpol `,
		LeftOut: []LeftOut{{
			regexp.MustCompile(`Feature:SCTPConnectivity`),
			"each Pod opens SCTP to each, and " + pairOfPods,
		}},
	}
}

// ServiceCases are all in which a packet goes to a Service: most have a Pod as client.
// Those in which the node is the client, or a node port the target, belong to kube-proxy,
// and show that its packets still find their Pods.
func ServiceCases() E2E {
	return E2E{
		Suite: Services,
		Cases: `\[sig-network\] (Services|Conntrack|Traffic Distribution|Topology Hints|Service CIDRs|Connectivity Pod Lifecycle` +
			`|Networking Granular Checks: Services|EndpointSlice should support a Service with multiple) `,
		LeftOut: []LeftOut{
			{
				regexp.MustCompile(`Services should (find a service from listing|complete a service status lifecycle|delete a collection of services|prevent NodePort collisions|check NodePort out-of-range|release NodePorts on delete)`),
				"the API server alone: no packet goes to a Service",
			},
			{regexp.MustCompile(`\[Disruptive\]`), "restarts kube-proxy or the API server as Pods, which they are not here"},
			{regexp.MustCompile(`Services should be rejected for evicted pods`), "the kubelets of this cluster do not evict"},
		},
	}
}
