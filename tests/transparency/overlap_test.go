package transparency

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/lab"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/labtest"
)

// manyPolicies are policies of every form, many times over.
func manyPolicies() string {
	var s strings.Builder
	for i := range 12 {
		fmt.Fprintf(&s, `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pods-%[1]d, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: b}}}, {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [a]}]}}]
    ports: [{port: %[2]d}, {port: %[2]d, protocol: UDP}, {port: %[2]d, endPort: %[3]d, protocol: SCTP}]
  - from: [{namespaceSelector: {}}]
    ports: [{port: web}, {protocol: UDP}]
  - ports: [{port: %[3]d}]
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.%[1]d.0/24]}}, {ipBlock: {cidr: "fd00::/8", except: ["fd00:10::/32"]}}]
  - to: [{podSelector: {}}, {ipBlock: {cidr: 10.1.%[1]d.0/24}}]
    ports: [{port: web}, {port: 1, endPort: %[2]d}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: isolation-%[1]d, namespace: shop}
spec: {podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open-%[1]d, namespace: shop}
spec: {podSelector: {matchLabels: {app: c}}, ingress: [{}], egress: [{}], policyTypes: [Ingress, Egress]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: admin-%[1]d}
spec:
  tier: Admin
  priority: %[1]d
  subject: {namespaces: {}}
  ingress:
  - {action: Pass, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: a}}}}]}
  - {action: Deny, from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}
  egress:
  - {action: Accept, to: [{networks: [10.9.%[1]d.0/24, "fd99::/64"]}]}
  - {action: Deny, to: [{networks: ["0.0.0.0/0"]}]}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: baseline-%[1]d}
spec:
  tier: Baseline
  priority: %[1]d
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: small}}}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
  egress: [{action: Accept, to: [{namespaces: {}}]}]
`, i, 1000+10*i, 1007+10*i)
	}
	return s.String()
}

// OpenFlow leaves open which of two flows of one table and priority a packet
// meets that both match. So there must be none, but for those of rules of one
// lane, where it makes no difference: clauses of conjunctions, which Open vSwitch
// evaluates together, and flows that do the same.
func TestNoTwoFlowsOverlapAtOnePriority(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{Modules: []string{lab.BuiltinModule, labtest.Module(t, "clusternetworkpolicy")}})
	apply(t, l, manyPolicies())
	for _, node := range l.Plan().Nodes {
		flows := installed(t, l, node.Name)
		checked, excused := 0, 0
		groups := map[[2]uint16][]of.Flow{}
		for _, f := range flows {
			key := [2]uint16{uint16(f.Table), f.Priority}
			groups[key] = append(groups[key], f)
		}
		tables := map[uint8]bool{}
		for _, group := range groups {
			tables[group[0].Table] = true
			for i, a := range group {
				for _, b := range group[:i] {
					checked++
					switch {
					case contradict(a.Match, b.Match):
					case sameLane(a, b):
						excused++
					default:
						t.Errorf("node %s: two flows overlap:\n  %s\n  %s", node.Name, a, b)
					}
				}
			}
		}
		t.Logf("node %s: %d flows in %d tables, %d pairs of one table and priority, %d of them in one lane and allowed to overlap",
			node.Name, len(flows), len(tables), checked, excused)
		if len(flows) < 300 || excused == 0 {
			t.Errorf("node %s: %d flows, %d pairs in one lane: the policies of this test no longer test much", node.Name, len(flows), excused)
		}
	}
}

func installed(t *testing.T, l *lab.Lab, node string) []of.Flow {
	t.Helper()
	conn, err := of.Dial(t.Context(), l.OVS(node).Management(), of.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dump, err := conn.DumpFlows(t.Context(), of.FlowFilter{})
	if err != nil {
		t.Fatal(err)
	}
	flows := make([]of.Flow, 0, len(dump))
	for _, f := range dump {
		flows = append(flows, f.Flow)
	}
	return flows
}

// contradict says that no packet matches both: some bit of some field must be
// 0 for one and 1 for the other. Besides, a port that is no ICMP type belongs
// to a protocol, and so on: such prerequisites are clauses like any other.
func contradict(a, b of.Match) bool {
	for _, one := range a.Clauses() {
		for _, other := range b.Clauses() {
			if one.Field() == other.Field() && differ(one, other) {
				return true
			}
		}
	}
	return false
}

func differ(a, b of.Clause) bool {
	av, am, bv, bm := a.Value(), a.Mask(), b.Value(), b.Mask()
	for i := range av {
		if (av[i]^bv[i])&am[i]&bm[i] != 0 {
			return true
		}
	}
	return false
}

// sameLane says that both flows are of rules and that it makes no difference
// which a packet meets.
func sameLane(a, b of.Flow) bool {
	tiers := []datapath.Stage{
		datapath.EgressAdmin, datapath.EgressNetwork, datapath.EgressBaseline,
		datapath.IngressAdmin, datapath.IngressNetwork, datapath.IngressBaseline,
	}
	if !slices.Contains(tiers, datapath.Stage(a.Table)) {
		return false
	}
	if isClause(a) && isClause(b) || isClause(a) && isVerdict(b) || isVerdict(a) && isClause(b) {
		return true
	}
	return !isClause(a) && !isClause(b) && a.Goto == b.Goto && a.Actions == b.Actions
}

// isClause: the flow is part of conjunctions.
func isClause(f of.Flow) bool {
	actions, err := f.Actions.Decode()
	if err != nil || len(actions) == 0 {
		return false
	}
	for _, action := range actions {
		if _, ok := action.(of.ConjunctionAction); !ok {
			return false
		}
	}
	return true
}

// isVerdict: the flow is what becomes of a conjunction.
func isVerdict(f of.Flow) bool {
	return slices.ContainsFunc(f.Match.Clauses(), func(c of.Clause) bool { return c.Field() == of.ConjID })
}
