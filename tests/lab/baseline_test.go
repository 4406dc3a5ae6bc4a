package lab

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

const twoNodes = `
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
  containers: [{name: c, image: none, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop}
spec:
  nodeName: west
  containers: [{name: c, image: none, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: d, namespace: shop}
spec:
  nodeName: west
  containers: [{name: c, image: none, ports: [{containerPort: 53, protocol: UDP}]}]
status: {podIPs: [{ip: 10.77.0.9}, {ip: "fd77::9"}]}
`

// With the primary CNI alone, everybody reaches everybody in both families,
// with their own addresses.
func TestPrimaryAloneConnectsEverybody(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: true})
	up := time.Since(begin)
	matrix, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	probed := time.Since(begin) - up
	for _, unusable := range matrix.Unusable {
		t.Errorf("does not connect: %+v", unusable)
	}
	for _, rewritten := range matrix.Rewritten {
		t.Errorf("source address changed: %+v", rewritten)
	}
	// 4 Pods, 2 hosts and the external host, to 6 Pod ports and 2 of each of the
	// others, not to themselves unless Pods, twice for two families.
	want := 2 * (7*6 + 6*2*3)
	if len(matrix.Probes) != want {
		t.Errorf("%d probes, want %d", len(matrix.Probes), want)
	}
	given := 0
	for _, probe := range matrix.Probes {
		if probe.To == "shop/d" && (probe.Address == "10.77.0.9" || probe.Address == "fd77::9") {
			given++
		}
	}
	if given != 7*2 {
		t.Errorf("%d probes to the addresses that status.podIPs gives shop/d, want %d", given, 7*2)
	}
	begin = time.Now()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("up in %v, %d probes in %v, down in %v", up.Round(time.Millisecond), want, probed.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	if _, err := os.Stat(l.Dir()); !os.IsNotExist(err) {
		t.Errorf("the lab's directory is still there: %v", err)
	}
	if mounts, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(mounts), l.Dir()) {
		t.Error("namespaces of the lab are still mounted")
	}
}
