package primary

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
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
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	options.Binaries = lab.PathsIn(binDir(t))
	manifest := filepath.Join(t.TempDir(), "pods.yaml")
	if err := os.WriteFile(manifest, []byte(pods), 0o644); err != nil {
		t.Fatal(err)
	}
	options.Manifests = []string{manifest}
	if options.Primary == lab.PrimaryEKS {
		options.SecondInterface = []string{podB}
	}
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

func sluicectl(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	args = append(args, "--socket", l.Agent("east").AdminSocket())
	out, err := exec.CommandContext(t.Context(), lab.PathsIn(binDir(t)).Ctl, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sluicectl %v: %v: %s", args, err, out)
	}
	return string(out)
}

func binDir(t *testing.T) string {
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

// soon waits, within bounds, for what nothing tells of.
func soon(t *testing.T, limit time.Duration, what string, happened func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !happened() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begin)
}

// addressOf is the address of a Pod in a family.
func addressOf(t *testing.T, l *lab.Lab, pod string, v6 bool) string {
	t.Helper()
	for _, p := range l.Plan().Pods {
		for _, a := range p.Addresses {
			if p.Key() == pod && a.Is6() == v6 {
				return a.String()
			}
		}
	}
	t.Fatalf("%s has no address (IPv6: %v)", pod, v6)
	return ""
}

// install puts Sluice in under running Pods and waits until it has adopted those
// of both nodes.
func install(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	for node, want := range map[string]int{"east": 2, "west": 1} {
		soon(t, 30*time.Second, "all Pods of "+node+" are adopted", func() bool {
			status, err := l.Agent(node).Status(t.Context())
			return err == nil && len(status.Pods) == want
		})
	}
}
