package bench

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

type indexSize struct {
	pods, selectors, naivePods int
	updates, naiveUpdates      int
}

func TestIndex(t *testing.T) {
	out := newTable()
	index(t, out, indexSize{pods: 2_000, selectors: 500, naivePods: 500, updates: 2_000, naiveUpdates: 100})
	if len(out.Rows) != 7 {
		t.Errorf("%+v", out.Rows)
	}
	for _, r := range out.Rows[:2] {
		if r.Ratio < 1 {
			t.Errorf("%s: slower than asking every selector: %+v", r.Work, r)
		}
	}
}

// indexCluster keeps the proportions of the cluster whatever its size: ten Pods
// to an application's selector, twenty selectors to a namespace.
func (s indexSize) cluster() cluster {
	return cluster{pods: s.pods, spaces: max(1, s.selectors/20), apps: max(1, s.selectors/20) * 10}
}

// ofApplications are selectors as policies have them: the Pods of one
// application, not of some tier. All of them ask for the label that all Pods
// share, too.
func (c cluster) ofApplications(n int) []*abi.Pods {
	return selectors(n, func(i int) *abi.Pods {
		app := i % c.apps
		return &abi.Pods{Namespaces: []string{c.spaceOf(app)}, PodSelector: abi.Selector{Requirements: []abi.Requirement{
			{Key: "app", Operator: abi.In, Values: []string{appName(app)}},
			{Key: "env", Operator: abi.In, Values: []string{"production"}},
			{Key: "tier", Operator: abi.NotIn, Values: []string{"tier-" + strconv.Itoa(i%9)}},
		}}}
	})
}

// ofEverybody are selectors that have but one requirement, all the same: every
// Pod of a namespace is in all of that namespace's.
func (c cluster) ofEverybody(n int) []*abi.Pods {
	return selectors(n, func(i int) *abi.Pods {
		return &abi.Pods{Namespaces: []string{"namespace-" + strconv.Itoa(i%c.spaces)}, PodSelector: abi.Selector{Requirements: []abi.Requirement{
			{Key: "env", Operator: abi.In, Values: []string{"production"}},
		}}}
	})
}

func selectors(n int, one func(i int) *abi.Pods) []*abi.Pods {
	all := make([]*abi.Pods, n)
	for i := range all {
		all[i] = one(i)
	}
	return all
}

// index measures the inventory alone: which sets is a Pod in, when it changes.
func index(tb testing.TB, out *table, size indexSize) {
	c := size.cluster()
	apps := c.ofApplications(size.selectors)
	typical := buildIndex(tb, c, apps)
	ask := newNaive(apps)
	naiveRate := rate(tb, size.naiveUpdates, c, sameClasses, func(p inventory.Pod) { ask.put(p) })
	const asking = "asking each selector"
	sizes := fmt.Sprintf("index, %s Pods × %s selectors: ", number(float64(size.pods)), number(float64(size.selectors)))

	typicalRate := updates(tb, size.updates, c, sameClasses, typical)
	out.add(row{
		Work: sizes + "Pod relabelled", Figure: typicalRate, Unit: "/s",
		Peer: asking, PeerFigure: naiveRate, Aim: atLeast(100_000),
		Note: "per second of processor time; after every update the index is asked what changed; the labels are those of another application",
	})
	own := updates(tb, size.updates, c, ownClasses, typical)
	out.add(row{
		Work: "  ... into a class of its own", Figure: own, Unit: "/s", Peer: asking, PeerFigure: naiveRate, Aim: atLeast(100_000),
		Note: "with labels that no Pod had before, so that the selectors have to be asked",
	})
	everybody := buildIndex(tb, c, c.ofEverybody(size.selectors))
	out.add(row{
		Work: "  relabelled, and all selectors share one label", Figure: 1e6 / updates(tb, size.updates, c, sameClasses, everybody), Unit: "µs",
		Peer: "typical", PeerFigure: 1e6 / typicalRate, Aim: ratioAtMost(2),
	})
	worst := updates(tb, size.updates, c, ownClasses, everybody)
	out.add(row{
		Work: "  ... and all selectors share one label", Figure: 1e6 / worst, Unit: "µs", Peer: "typical", PeerFigure: 1e6 / own, Aim: ratioAtMost(2),
		Note: fmt.Sprintf("the Pod enters and leaves %d sets each time, against about %d", size.selectors/c.spaces, size.selectors/c.apps),
	})
	runtime.KeepAlive(typical)
	indexBuild(tb, out, size, apps)
	indexMemory(tb, out, size, apps)
}

func buildIndex(tb testing.TB, c cluster, selectors []*abi.Pods) *inventory.Inventory {
	inv := inventory.New()
	for i := range c.spaces {
		inv.PutNamespace(inventory.Namespace{Name: "namespace-" + strconv.Itoa(i)})
	}
	acquire(tb, inv, selectors)
	// Something asks for the label by which the measurement changes Pods.
	other := &abi.Pods{Namespaces: []string{"elsewhere"}, PodSelector: abi.Selector{Requirements: []abi.Requirement{{Key: "tier", Operator: abi.Exists}}}}
	if err := inv.AcquireSet(inventory.SetKey{Module: "other", Name: "other"}, other); err != nil {
		tb.Fatal(err)
	}
	for i := range c.pods {
		inv.PutPod(c.pod(i))
	}
	inv.Flush()
	return inv
}

func acquire(tb testing.TB, inv *inventory.Inventory, selectors []*abi.Pods) {
	for i, s := range selectors {
		if err := inv.AcquireSet(inventory.SetKey{Module: "bench", Name: strconv.Itoa(i)}, s); err != nil {
			tb.Fatal(err)
		}
	}
}

// sameClasses gives the Pod the labels of another application of its namespace,
// ownClasses labels that it shares with nobody.
func sameClasses(c cluster, p *inventory.Pod, i int) { p.Labels = appLabels(c.neighbour(i%c.apps, 1)) }
func ownClasses(_ cluster, p *inventory.Pod, i int)  { p.Labels["tier"] = "own-" + strconv.Itoa(i) }

func updates(tb testing.TB, n int, c cluster, change func(cluster, *inventory.Pod, int), inv *inventory.Inventory) float64 {
	return rate(tb, n, c, change, func(p inventory.Pod) {
		inv.PutPod(p)
		inv.Flush()
	})
}

// rate makes n updates, to and fro, and says how many of them a second of
// processor time takes.
func rate(tb testing.TB, n int, c cluster, change func(cluster, *inventory.Pod, int), put func(inventory.Pod)) float64 {
	const different = 1000
	var was, now []inventory.Pod
	for k := range min(different, c.pods, n) {
		i := k * 7919 % c.pods
		was, now = append(was, c.pod(i)), append(now, c.pod(i))
		change(c, &now[k], i)
		put(was[k])
	}
	took := costOnOneCore(tb, func() {
		for i := range n / 2 {
			k := i % len(was)
			put(now[k])
			put(was[k])
		}
	})
	return float64(n/2*2) / took.cpu.Seconds()
}

// indexBuild compares at a size that the naive way finishes, and measures at full size.
func indexBuild(tb testing.TB, out *table, size indexSize, selectors []*abi.Pods) {
	small := size.cluster()
	small.pods = size.naivePods
	build := func(c cluster, first bool) time.Duration {
		pods := make([]inventory.Pod, c.pods)
		for i := range pods {
			pods[i] = c.pod(i)
		}
		inv := inventory.New()
		took := costOnOneCore(tb, func() {
			if first {
				acquire(tb, inv, selectors)
			}
			for i := range pods {
				inv.PutPod(pods[i])
			}
			acquire(tb, inv, selectors)
			inv.Flush()
		})
		return took.cpu
	}
	ours, full := build(small, true), max(build(size.cluster(), true), build(size.cluster(), false))
	pods := make([]inventory.Pod, small.pods)
	for i := range pods {
		pods[i] = small.pod(i)
	}
	theirs := costOnOneCore(tb, func() {
		ask := newNaive(selectors)
		for i := range pods {
			ask.put(pods[i])
		}
	})
	out.add(row{
		Work: "  cold build", Figure: full.Seconds(), Unit: "s",
		Aim: atMost(1), Note: "processor time; the slower of Pods first and selectors first",
	})
	out.add(row{
		Work: fmt.Sprintf("  cold build of %s of the Pods", number(float64(size.naivePods))), Figure: ours.Seconds(), Unit: "s",
		Peer: "asking each selector", PeerFigure: theirs.cpu.Seconds(), Aim: ratioAtMost(1).own(),
	})
}

// indexMemory weighs what a Pod adds to the index beside what selectors need.
func indexMemory(tb testing.TB, out *table, size indexSize, selectors []*abi.Pods) {
	c := size.cluster()
	inv := inventory.New()
	acquire(tb, inv, selectors)
	inv.Flush()
	before := heap()
	for i := range c.pods {
		inv.PutPod(c.pod(i))
	}
	inv.Flush()
	ours := (heap() - before) / float64(c.pods)
	runtime.KeepAlive(inv)

	ask := newNaive(selectors)
	before = heap()
	for i := range size.naivePods {
		ask.put(c.pod(i))
	}
	theirs := (heap() - before) / float64(size.naivePods)
	runtime.KeepAlive(ask)
	out.add(row{
		Work: "  memory", Figure: ours, Unit: "B/Pod", Peer: "objects in a map", PeerFigure: theirs, Aim: atMost(600),
	})
}
