package transparency

import (
	"context"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// The Pods of all tests. Small is wired with a smaller MTU than the others.
const (
	podA  = "shop/a"
	podB  = "shop/b"
	podC  = "shop/c"
	small = "shop/small"
	east  = lab.Host + ":east"
	west  = lab.Host + ":west"
)

const pods = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {nodeName: east, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: b}}
spec: {nodeName: east, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: small, namespace: shop, labels: {app: small}}
spec: {nodeName: east, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop, labels: {app: c}}
spec: {nodeName: west, containers: [{name: c, image: none}]}
`

// allowAll lets everything through, by rules: every packet takes the path of
// policy.
const allowAll = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: everything, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{}]
  egress: [{}]
`

// start starts a lab that ends with the test.
func start(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	options.Manifests = []string{labtest.File(t, "pods.yaml", pods)}
	return labtest.Start(t, options)
}

// apply puts policies into force.
func apply(t *testing.T, l *lab.Lab, policies string) {
	t.Helper()
	if err := l.ApplyContent("policies.yaml", []byte(policies)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // hundreds of policies on an emulated machine
	defer cancel()
	if err := l.WaitRealised(ctx); err != nil {
		t.Fatal(err)
	}
	problems, err := l.Problems(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Fatalf("the policies of this test are refused: %+v", problem)
	}
}

// gatewayOf is the gateway of the Pods of the first node.
func gatewayOf(l *lab.Lab, v6 bool) netip.Addr {
	family := 0
	if v6 {
		family = 1
	}
	return l.Plan().Nodes[0].PodSubnets[family].Masked().Addr().Next()
}

// in runs f in the namespace of an end and fails the test by its error.
func in(t *testing.T, l *lab.Lab, end string, f func() error) {
	t.Helper()
	if err := l.In(end, f); err != nil {
		t.Fatalf("%s: %v", end, err)
	}
}

func dump(b []byte) string { return hex.EncodeToString(b) }
