package inventory_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

const (
	manyPods      = 100_000
	manySelectors = 10_000
	manySpaces    = 500
)

// podNumber is a Pod as clusters have them: its namespace, its application, a
// shared environment, the hash of its template and a name of its own.
func podNumber(i int) inventory.Pod {
	app := i % 5000
	return inventory.Pod{
		Namespace: "namespace-" + strconv.Itoa(app%manySpaces),
		Name:      fmt.Sprintf("application-%d-7d4b9c6f5-%05d", app, i),
		UID:       fmt.Sprintf("11111111-2222-3333-4444-%012d", i),
		Labels: map[string]string{
			"app":               "application-" + strconv.Itoa(app),
			"env":               "production",
			"pod-template-hash": "hash-" + strconv.Itoa(app),
			"tier":              "tier-" + strconv.Itoa(app%7),
		},
		Addresses: []netip.Addr{addrNumber(i)},
		Node:      "node-" + strconv.Itoa(i%1000),
	}
}

func addrNumber(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// selectorNumber is a set as policies have them.
func selectorNumber(i int) *abi.Pods {
	app := i % 5000
	return &abi.Pods{
		Namespaces: []string{"namespace-" + strconv.Itoa(app%manySpaces)},
		PodSelector: abi.Selector{Requirements: []abi.Requirement{
			{Key: "app", Operator: abi.In, Values: []string{"application-" + strconv.Itoa(app)}},
			{Key: "env", Operator: abi.In, Values: []string{"production"}},
			{Key: "tier", Operator: abi.NotIn, Values: []string{"tier-" + strconv.Itoa(i%9)}},
		}},
	}
}

func setNumber(i int) inventory.SetKey {
	return inventory.SetKey{Module: "m", Name: strconv.Itoa(i)}
}

func acquire(tb testing.TB, inv *inventory.Inventory, i int, spec abi.SetSpec) {
	if err := inv.AcquireSet(setNumber(i), spec); err != nil {
		tb.Fatal(err)
	}
}

func putSpaces(inv *inventory.Inventory) {
	for i := range manySpaces {
		inv.PutNamespace(inventory.Namespace{Name: "namespace-" + strconv.Itoa(i), Labels: map[string]string{"team": strconv.Itoa(i % 20)}})
	}
}

// cold builds a whole cluster and flushes once.
func cold(tb testing.TB, pods []inventory.Pod, selectors []*abi.Pods) *inventory.Inventory {
	inv := inventory.New()
	putSpaces(inv)
	for i := range pods {
		inv.PutPod(pods[i])
	}
	for i, s := range selectors {
		acquire(tb, inv, i, s)
	}
	inv.Flush()
	return inv
}

func manyOf[T any](n int, one func(int) T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = one(i)
	}
	return all
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkColdPodsFirst(b *testing.B) {
	pods, selectors := manyOf(manyPods, podNumber), manyOf(manySelectors, selectorNumber)
	b.ReportAllocs()
	for b.Loop() {
		cold(b, pods, selectors)
	}
	b.ReportMetric(float64(manyPods)*float64(b.N)/b.Elapsed().Seconds(), "pods/s")
}

func BenchmarkColdSetsFirst(b *testing.B) {
	pods, selectors := manyOf(manyPods, podNumber), manyOf(manySelectors, selectorNumber)
	b.ReportAllocs()
	for b.Loop() {
		inv := inventory.New()
		putSpaces(inv)
		for i, s := range selectors {
			acquire(b, inv, i, s)
		}
		for i := range pods {
			inv.PutPod(pods[i])
		}
		inv.Flush()
	}
	b.ReportMetric(float64(manyPods)*float64(b.N)/b.Elapsed().Seconds(), "pods/s")
}

// BenchmarkRelabel moves one Pod to and fro between two classes of a large
// cluster, with a flush each time.
func BenchmarkRelabel(b *testing.B) {
	inv := cold(b, manyOf(manyPods, podNumber), manyOf(manySelectors, selectorNumber))
	both := [2]inventory.Pod{podNumber(4242), podNumber(4242)}
	both[1].Labels = map[string]string{"app": "application-4742", "env": "production", "tier": "tier-3"}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		inv.PutPod(both[i%2])
		if c := inv.Flush(); len(c.Addresses) != 1 {
			b.Fatalf("%+v", c)
		}
	}
}

// BenchmarkRelabelWithSnapshots is the same while readers want every state.
func BenchmarkRelabelWithSnapshots(b *testing.B) {
	inv := cold(b, manyOf(manyPods, podNumber), manyOf(manySelectors, selectorNumber))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		p := podNumber(i * 7919 % manyPods)
		p.Labels["tier"] = "tier-" + strconv.Itoa(i)
		inv.PutPod(p)
		inv.Flush()
		inv.Snapshot()
	}
}

// BenchmarkRelabelSharedLabel: every set requires the same label and nothing
// else would lead to it, but each is of one namespace.
func BenchmarkRelabelSharedLabel(b *testing.B) {
	selectors := manyOf(manySelectors, func(i int) *abi.Pods {
		return &abi.Pods{Namespaces: []string{"namespace-" + strconv.Itoa(i%manySpaces)}, PodSelector: in("env", "production")}
	})
	relabel(b, selectors, manySelectors/manySpaces)
}

// BenchmarkRelabelSharedEverything: every set contains every Pod of the
// cluster, so that a new class enters all of them.
func BenchmarkRelabelSharedEverything(b *testing.B) {
	selectors := manyOf(manySelectors, func(int) *abi.Pods {
		return &abi.Pods{NamespaceSelector: &abi.Selector{}, PodSelector: in("env", "production")}
	})
	relabel(b, selectors, manySelectors)
}

func in(key, value string) abi.Selector {
	return abi.Selector{Requirements: []abi.Requirement{{Key: key, Operator: abi.In, Values: []string{value}}}}
}

// relabel gives one Pod a class of its own and takes it away again.
func relabel(b *testing.B, selectors []*abi.Pods, memberOf int) {
	inv := cold(b, manyOf(20_000, podNumber), selectors)
	acquire(b, inv, manySelectors, &abi.Pods{Namespaces: []string{"elsewhere"}, PodSelector: in("lonely", "yes")})
	inv.Flush()
	both := [2]inventory.Pod{podNumber(4242), podNumber(4242)}
	both[1].Labels["lonely"] = "indeed"
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		inv.PutPod(both[i%2])
		if c := inv.Flush(); len(c.Sets) != memberOf {
			b.Fatalf("%d sets changed, want %d", len(c.Sets), memberOf)
		}
	}
}

// BenchmarkMillionBlocks patches one CIDR of a set of a million.
func BenchmarkMillionBlocks(b *testing.B) {
	blocks := manyOf(1_000_000, func(i int) abi.Block {
		return abi.Block{CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24).String()}
	})
	inv := inventory.New()
	acquire(b, inv, 1, &abi.Addresses{Blocks: blocks})
	inv.Flush()
	with := append(blocks[:500_000:500_000], append([]abi.Block{{CIDR: "10.9.8.0/24"}}, blocks[500_000:]...)...)
	specs := [2]*abi.Addresses{{Blocks: blocks}, {Blocks: with}}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if err := inv.UpdateSet(setNumber(1), specs[i%2]); err != nil {
			b.Fatal(err)
		}
		if c := inv.Flush(); len(c.Blocks) != 1 {
			b.Fatalf("%+v", c)
		}
	}
}

func BenchmarkColdMillionBlocks(b *testing.B) {
	blocks := manyOf(1_000_000, func(i int) abi.Block {
		return abi.Block{CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24).String()}
	})
	b.ReportAllocs()
	for b.Loop() {
		inv := inventory.New()
		acquire(b, inv, 1, &abi.Addresses{Blocks: blocks})
		if c := inv.Flush(); len(c.Blocks) != len(blocks) {
			b.Fatal(len(c.Blocks))
		}
	}
}

// TestMemoryPerPod holds the promise of doc.go: at most 600 bytes per Pod
// beside what the objects and sets themselves need.
func TestMemoryPerPod(t *testing.T) {
	selectors := manyOf(manySelectors, selectorNumber)
	before := heap()
	inv := inventory.New()
	putSpaces(inv)
	for i, s := range selectors {
		acquire(t, inv, i, s)
	}
	inv.Flush()
	sets := heap()
	for i := range manyPods {
		inv.PutPod(podNumber(i))
	}
	inv.Flush()
	perPod := float64(heap()-sets) / manyPods
	t.Logf("%d sets: %.1f MB; %.0f bytes per Pod", manySelectors, float64(sets-before)/1e6, perPod)
	if perPod > 600 {
		t.Errorf("%.0f bytes per Pod, at most 600 are promised", perPod)
	}
	runtime.KeepAlive(inv)
	runtime.KeepAlive(selectors)
}
