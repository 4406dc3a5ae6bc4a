package lab

import (
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

const denyAll = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
`

// Policies come, are broken, and go while the lab runs: what is broken is named
// and changes nothing, and the last one that goes opens everything again.
func TestPoliciesComeAndGo(t *testing.T) {
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}})
	baseline, err := l.MeasureBaseline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(baseline.Unusable) > 0 {
		t.Fatalf("does not connect with no policy in force: %+v", baseline.Unusable)
	}
	before := flows(t, l, "east")
	measure := func(what string) *lab.Matrix {
		t.Helper()
		if err := l.WaitRealised(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		matrix, err := l.Measure(t.Context(), baseline)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return matrix
	}

	if err := l.ApplyContent("deny.yaml", []byte(denyAll)); err != nil {
		t.Fatal(err)
	}
	denied := measure("denied")
	_, refused := denied.Counts()
	if refused == 0 {
		t.Error("a default deny refuses nothing")
	}

	if err := l.ApplyContent("deny.yaml", []byte(strings.Replace(denyAll, "podSelector: {}", "podSelector: 7", 1))); err != nil {
		t.Fatal(err)
	}
	broken := measure("broken")
	if len(broken.Problems) != 1 || !strings.Contains(broken.Problems[0].String(), "deny.yaml, document 1") ||
		!strings.Contains(broken.Problems[0].String(), "podSelector") {
		t.Errorf("problems %v, want one that names file, document and field", broken.Problems)
	}
	for i, probe := range broken.Probes {
		if probe.Connected != denied.Probes[i].Connected {
			t.Errorf("%s: %s, and before the policy was broken %s", show(probe), verdictOf(probe), verdictOf(denied.Probes[i]))
		}
	}

	if err := l.Remove("deny.yaml"); err != nil {
		t.Fatal(err)
	}
	open := measure("removed")
	if _, refused := open.Counts(); refused != 0 || len(open.Problems) != 0 {
		t.Errorf("with the last policy gone %d probes are refused; problems %v", refused, open.Problems)
	}
	if after := flows(t, l, "east"); after != before {
		t.Errorf("flows before the policy:\n%s\nafter it:\n%s", before, after)
	}
	if err := l.Remove("deny.yaml"); err == nil {
		t.Error("a file is removed that is not there")
	}
}
