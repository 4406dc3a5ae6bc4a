package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// startLab starts a lab that ends with the measurement.
func startLab(tb testing.TB, options lab.Options, manifests string) *lab.Lab {
	tb.Helper()
	options.Manifests = []string{labtest.File(tb, "lab.yaml", manifests)}
	options.Progress = func(string) {} // a table of figures is what is printed
	return labtest.Start(tb, options)
}

// labPods are Pods "shop/pod-000", ... of ten applications, on one node. The
// first few listen.
func labPods(n, listening int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: pod-%03d, namespace: shop, labels: {app: app-%d}}\nspec:\n  containers:\n  - name: main\n    image: none\n", i, i%10)
		if i < listening {
			text.WriteString("    ports: [{containerPort: 80}, {containerPort: 5000, protocol: UDP}]\n")
		}
	}
	return text.String()
}

// labPolicies are n policies, each about one of the ten applications, that let
// everybody of the namespace in on a port and on UDP port 5000.
func labPolicies(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(labPolicy(fmt.Sprintf("policy-%03d", i), i%10, 8000+i))
	}
	return text.String()
}

func labPolicy(name string, app, port int) string {
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %s, namespace: shop}
spec:
  podSelector: {matchLabels: {app: app-%d}}
  ingress:
  - from: [{podSelector: {}}]
    ports: [{port: %d}, {port: 5000, protocol: UDP}]
`, name, app, port)
}

// putPolicies brings policies into force in the lab.
func putPolicies(tb testing.TB, l *lab.Lab, text string) {
	tb.Helper()
	if err := l.ApplyContent("policies.yaml", []byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := l.WaitRealised(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func flowsWritten(tb testing.TB, l *lab.Lab) uint64 {
	tb.Helper()
	status, err := l.Agent(lab.DefaultNode).Status(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return status.Flows.Written
}
