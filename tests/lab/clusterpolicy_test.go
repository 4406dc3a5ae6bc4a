package lab

import (
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// clusterPolicies are about the Pods a and b (node east), c and d (node west) of
// the namespace shop; see twoNodes and labelled.
const clusterPolicies = `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: admin}
spec:
  tier: Admin
  priority: 10
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {name: a}}}}
  ingress:
  - name: let b pass on
    action: Pass
    from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {name: b}}}}]
  - name: c may, whatever the namespace says
    action: Accept
    from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {name: c}}}}]
  - name: nobody else
    action: Deny
    from: [{namespaces: {}}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: baseline}
spec:
  tier: Baseline
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress:
  - name: not from d
    action: Deny
    from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {name: d}}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c-final, namespace: shop}
spec:
  podSelector: {matchLabels: {name: c}}
  ingress: [{from: [{podSelector: {matchLabels: {name: d}}}]}]
`

// Two modules decide together: Admin tier, NetworkPolicy, Baseline tier, with
// Pass between them (SEMANTICS 31), on packets as in the model.
func TestSemantics31ClusterNetworkPolicyOnPackets(t *testing.T) {
	binaries := labtest.Programs(t, false)
	module := filepath.Join(filepath.Dir(binaries.Agent), "modules", "clusternetworkpolicy.wasm")
	manifest := labtest.File(t, "cluster.yaml", labelled(twoNodes)+"---"+clusterPolicies)
	l := labtest.Start(t, lab.Options{Manifests: []string{manifest}, Modules: []string{module, lab.BuiltinModule}})
	matrix, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range matrix.Problems {
		t.Errorf("refused: %s", problem)
	}
	want := map[[2]string]bool{
		{"shop/b", "shop/a"}: true,  // Pass, and no NetworkPolicy selects a
		{"shop/c", "shop/a"}: true,  // accepted by the Admin tier
		{"shop/d", "shop/a"}: false, // denied by the Admin tier
		{"shop/d", "shop/b"}: false, // denied by the Baseline tier
		{"shop/d", "shop/c"}: true,  // NetworkPolicy is final for the Pods that it selects
		{"shop/b", "shop/c"}: false, // isolated by NetworkPolicy
	}
	seen := map[[2]string]bool{}
	for _, probe := range matrix.Probes {
		pair := [2]string{probe.From, probe.To}
		if expected, listed := want[pair]; listed {
			seen[pair] = true
			if probe.Connected != expected {
				t.Errorf("%s: packets say %s", show(probe), verdictOf(probe))
			}
		}
	}
	if len(seen) != len(want) {
		t.Errorf("probed were %v, of %d pairs", seen, len(want))
	}
	checkModel(t, model(t, binaries, manifest, "--module", module, "--module", lab.BuiltinModule), matrix)
}
