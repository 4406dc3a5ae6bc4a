package bench

import (
	"os"
	"testing"
	"time"
)

// measurements are all there are, in the order of the table: first Sluice as a
// whole on real parts, then the policy engine.
var measurements = []struct {
	name    string
	measure func(testing.TB, *table)
}{
	{"programming", func(tb testing.TB, t *table) {
		programming(tb, t, programmingSize{flows: []int{1_000, 10_000, 100_000}, rounds: []int{15, 7, 3}})
	}},
	{"services", func(tb testing.TB, t *table) {
		services(tb, t, servicesSize{services: 10_000, endpoints: 10, changes: 400})
	}},
	{"service-traffic", func(tb testing.TB, t *table) {
		serviceTraffic(tb, t, serviceTrafficSize{endpoints: []int{1, 10, 32, 37, 100}, rounds: 9, lasts: 300 * time.Millisecond})
	}},
	{"service-shares", func(tb testing.TB, t *table) {
		serviceShares(tb, t, serviceSharesSize{backends: []int{3, 10, 37, 100}, connections: 100_000})
	}},
	{"kube-proxy", func(tb testing.TB, t *table) {
		kubeProxy(tb, t, servicesSize{services: 10_000, endpoints: 10, changes: 200})
	}},
	{"threatlist", func(tb testing.TB, t *table) {
		threatlist(tb, t, threatlistSize{cidrs: 1_000_000, objects: 15, changes: 40})
	}},
	{"threatlist-agent", func(tb testing.TB, t *table) {
		threatlistAgent(tb, t, threatlistSize{cidrs: 1_000_000, objects: 15})
	}},
	{"native", func(tb testing.TB, t *table) { native(tb, t, nativeSize{objects: 10_000}) }},
	{"cni-add", func(tb testing.TB, t *table) { cniAdd(tb, t, cniAddSize{pods: 200}) }},
	{"manifest", func(tb testing.TB, t *table) { manifestChange(tb, t, manifestSize{policies: 20, changes: 200}) }},
	{"reload", func(tb testing.TB, t *table) { reload(tb, t, reloadSize{policies: 20, reloads: 5}) }},
	{"reload-10k", func(tb testing.TB, t *table) { reload(tb, t, reloadSize{policies: 10_000, reloads: 3}) }},
	{"traffic", func(tb testing.TB, t *table) {
		traffic(tb, t, trafficSize{rules: []int{0, 1_000, 10_000}, rounds: 21, lasts: 100 * time.Millisecond})
	}},
	{"churn", func(tb testing.TB, t *table) { churn(tb, t, churnSize{rules: []int{10, 1_000, 10_000}, pods: 1_000}) }},
	{"new-policy", func(tb testing.TB, t *table) { newPolicy(tb, t, newPolicySize{pods: 10_000, classes: 50, ports: 3}) }},
	{"index", func(tb testing.TB, t *table) {
		index(tb, t, indexSize{pods: 100_000, selectors: 10_000, naivePods: 2_000, updates: 100_000, naiveUpdates: 300})
	}},
	{"cold", func(tb testing.TB, t *table) { cold(tb, t, largeCluster, 10_000) }},
	{"policy-change", func(tb testing.TB, t *table) {
		policyChange(tb, t, policyChangeSize{cluster: largeCluster, policies: 10_000, changes: 300})
	}},
	{"all-to-all", func(tb testing.TB, t *table) {
		allToAll(tb, t, allToAllSize{pods: 10_000, policies: 10_000, local: 100})
	}},
}

// largeCluster is what the aims of the policy engine are about.
var largeCluster = cluster{pods: 100_000, spaces: 500, apps: 5_000, local: 250}

// Benchmark is what `make bench` runs. Parts of it:
//
//	go test -run '^$' -bench Benchmark/churn ./tests/bench
//
// SLUICE_BENCH_RESULTS names a file that the table is also written to, as JSON.
func Benchmark(b *testing.B) {
	t := newTable()
	for _, m := range measurements {
		b.Run(m.name, func(b *testing.B) {
			start := time.Now()
			for b.Loop() {
				m.measure(b, t)
			}
			t.took(m.name, time.Since(start))
		})
	}
	if err := t.write(os.Stdout, os.Getenv("SLUICE_BENCH_RESULTS")); err != nil {
		b.Error(err)
	}
}
