package primary

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/nettest"
)

const (
	east = lab.Host + ":east"
	podA = "shop/a"
	podB = "shop/b" // on EKS its IPv4 address belongs to the second interface
	podC = "shop/c"
)

const pods = `
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  nodeName: east
  containers: [{name: c, image: none, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop}
spec:
  nodeName: east
  containers: [{name: c, image: none, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop}
spec:
  nodeName: west
  containers: [{name: c, image: none, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]
`

// onlyNeeded isolates every Pod in both directions and lets through what the
// tests do.
const onlyNeeded = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: needed, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{ports: [{port: 80}, {port: 53, protocol: UDP}]}]
  egress: [{ports: [{port: 80}, {port: 53, protocol: UDP}, {port: 7}, {port: 7, protocol: UDP}]}]
`

// clouds are the layouts under test.
var clouds = []string{lab.PrimaryEKS, lab.PrimaryAzure}

// start starts a lab of a layout that ends with the test.
func start(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	options.Manifests = []string{labtest.File(t, "pods.yaml", pods)}
	if options.Primary == lab.PrimaryEKS {
		options.SecondInterface = []string{podB}
	}
	return labtest.Start(t, options)
}

// in runs a program in a namespace of the lab.
func in(t *testing.T, l *lab.Lab, end string, args ...string) string {
	t.Helper()
	args = append(strings.Fields(l.Enter(end)), args...)
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

// install puts Sluice in under running Pods and waits until it has adopted those
// of both nodes.
func install(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	for node, want := range map[string]int{"east": 2, "west": 1} {
		nettest.Await(t, 30*time.Second, "all Pods of "+node+" are adopted", func() bool {
			status, err := l.Agent(node).Status(t.Context())
			return err == nil && len(status.Pods) == want
		})
	}
}
