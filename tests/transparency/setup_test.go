package transparency

import (
	"context"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
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

// bin is where `make build` put the programs: ../../bin, or where SLUICE_BIN says.
func bin(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SLUICE_BIN")
	if dir == "" {
		dir = filepath.Join("..", "..", "bin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// start starts a lab that ends with the test.
func start(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	options.Binaries = lab.PathsIn(bin(t))
	manifest := filepath.Join(t.TempDir(), "pods.yaml")
	if err := os.WriteFile(manifest, []byte(pods), 0o644); err != nil {
		t.Fatal(err)
	}
	options.Manifests = []string{manifest}
	l, err := lab.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// apply puts policies into force.
func apply(t *testing.T, l *lab.Lab, policies string) {
	t.Helper()
	if err := l.ApplyContent("policies.yaml", []byte(policies)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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

// addressOf is the address that an end has in a family.
func addressOf(t *testing.T, l *lab.Lab, end string, v6 bool) netip.Addr {
	t.Helper()
	var all []netip.Addr
	switch {
	case end == lab.External:
		all = l.Plan().External
	case strings.HasPrefix(end, lab.Host+":"):
		node, _ := l.Plan().Node(strings.TrimPrefix(end, lab.Host+":"))
		all = node.Addresses
	default:
		for _, pod := range l.Plan().Pods {
			if pod.Key() == end {
				all = pod.Addresses
			}
		}
	}
	for _, address := range all {
		if address.Is6() == v6 {
			return address
		}
	}
	t.Fatalf("%s has no address (IPv6: %v)", end, v6)
	return netip.Addr{}
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
