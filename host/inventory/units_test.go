package inventory_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

var (
	addrA = netip.MustParseAddr("10.0.0.1")
	addrB = netip.MustParseAddr("10.0.0.2")
	set1  = inventory.SetKey{Module: "m", Name: "1"}
	set2  = inventory.SetKey{Module: "m", Name: "2"}
)

func pod(name string, labels map[string]string, addrs ...netip.Addr) inventory.Pod {
	return inventory.Pod{Namespace: "one", Name: name, UID: name, Labels: labels, Addresses: addrs}
}

func app(value string) map[string]string { return map[string]string{"app": value} }

func mustAcquire(t *testing.T, inv *inventory.Inventory, key inventory.SetKey, spec abi.SetSpec) {
	t.Helper()
	if err := inv.AcquireSet(key, spec); err != nil {
		t.Fatal(err)
	}
}

func web() *abi.Pods { return &abi.Pods{Namespaces: []string{"one"}, PodSelector: in("app", "web")} }

func blocksOf(blocks ...abi.Block) *abi.Addresses { return &abi.Addresses{Blocks: blocks} }

func member(t *testing.T, inv *inventory.Inventory, key inventory.SetKey, addr netip.Addr, want bool) {
	t.Helper()
	class, block := inv.ClassOf(addr), inv.BlockOf(addr)
	got := slices.Contains(inv.SetClasses(key), class) || slices.Contains(inv.SetBlocks(key), block)
	if got != want {
		t.Errorf("%s in set %s: %v, want %v (class %d, block %d)", addr, key, got, want, class, block)
	}
}

// TestNumbersStay: the numbers are in flows and in files of running agents; a
// release that computes others would rewrite every flow.
func TestNumbersStay(t *testing.T) {
	inv := inventory.New()
	mustAcquire(t, inv, set1, web())
	mustAcquire(t, inv, set2, blocksOf(abi.Block{CIDR: "192.0.2.0/24", Except: []string{"192.0.2.128/25"}}))
	inv.AcquirePortName("http")
	p := pod("a", map[string]string{"app": "web", "unmentioned": "x"}, addrA)
	p.Ports = []inventory.NamedPort{{Name: "http", Protocol: abi.TCP, Number: 80}, {Name: "unmentioned", Protocol: abi.TCP, Number: 81}}
	inv.PutPod(p)
	for what, numbers := range map[string][2]uint32{
		"class":                   {uint32(inv.ClassOf(addrA)), goldenClass},
		"block":                   {uint32(inv.BlockOf(netip.MustParseAddr("192.0.2.1"))), goldenBlock},
		"block of no set":         {uint32(inv.BlockOf(netip.MustParseAddr("192.0.2.129"))), goldenHole},
		"outside of all prefixes": {uint32(inv.BlockOf(netip.MustParseAddr("192.0.3.1"))), 0},
	} {
		if numbers[0] != numbers[1] {
			t.Errorf("%s is %d, was %d", what, numbers[0], numbers[1])
		}
	}
}

func TestSpecsThatAreRefused(t *testing.T) {
	for says, spec := range map[string]abi.SetSpec{
		"set m/1: a set is Pods, Nodes or Addresses":                nil,
		`set m/1: podSelector: requirements[0] on "k": operator 9`:  &abi.Pods{PodSelector: abi.Selector{Requirements: []abi.Requirement{{Key: "k", Operator: 9}}}},
		`set m/1: namespaceSelector: requirements[0] on "k": In`:    &abi.Pods{NamespaceSelector: &abi.Selector{Requirements: []abi.Requirement{{Key: "k", Operator: abi.In}}}},
		`set m/1: requirements[0] on "k": Exists`:                   &abi.Nodes{Selector: abi.Selector{Requirements: []abi.Requirement{{Key: "k", Operator: abi.Exists, Values: []string{"v"}}}}},
		`set m/1: blocks[0].cidr: "10.0.0.1" is not a CIDR`:         blocksOf(abi.Block{CIDR: "10.0.0.1"}),
		`set m/1: blocks[0].except[0]: "x" is not a CIDR`:           blocksOf(abi.Block{CIDR: "10.0.0.0/8", Except: []string{"x"}}),
		"set m/1: blocks[0].except[0]: 9.0.0.0/8 is not inside":     blocksOf(abi.Block{CIDR: "10.0.0.0/8", Except: []string{"9.0.0.0/8"}}),
		"set m/1: blocks[0].except[0]: 0.0.0.0/0 is not inside 10.": blocksOf(abi.Block{CIDR: "10.0.0.0/8", Except: []string{"0.0.0.0/0"}}),
	} {
		inv := inventory.New()
		if err := inv.AcquireSet(set1, spec); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
		if left := inventory.Leftovers(inv); left != "" {
			t.Errorf("%s: a refused set left %s", says, left)
		}
		mustAcquire(t, inv, set1, blocksOf(abi.Block{CIDR: "172.16.0.0/12"}))
		if err := inv.UpdateSet(set1, spec); err == nil {
			t.Errorf("%s: the update was taken", says)
		}
		member(t, inv, set1, netip.MustParseAddr("172.16.0.1"), true)
	}
}

func TestChangesAreNet(t *testing.T) {
	inv := inventory.New()
	mustAcquire(t, inv, set1, web())
	inv.PutPod(pod("a", app("web"), addrA))
	inv.PutPod(pod("b", app("db"), addrB))
	first := inv.Flush()
	classA, classB := inv.ClassOf(addrA), inv.ClassOf(addrB)
	if want := []inventory.AddressChange{{Addr: addrA, Class: classA}, {Addr: addrB, Class: classB}}; !reflect.DeepEqual(first.Addresses, want) ||
		!reflect.DeepEqual(first.Sets, []inventory.SetKey{set1}) || len(first.Classes) != 2 {
		t.Fatalf("%+v", first)
	}
	for name, test := range map[string]struct {
		do   func()
		want inventory.Changes
	}{
		"the same again":          {func() { inv.PutPod(pod("a", app("web"), addrA)) }, inventory.Changes{}},
		"a label nobody mentions": {func() { inv.PutPod(pod("a", map[string]string{"app": "web", "x": "y"}, addrA)) }, inventory.Changes{}},
		"gone and back":           {func() { inv.DeletePod("one", "a"); inv.PutPod(pod("a", app("web"), addrA)) }, inventory.Changes{}},
		"set released and back":   {func() { inv.ReleaseSet(set1); mustAcquire(t, inv, set1, web()) }, inventory.Changes{}},
		"set updated to the same": {func() { mustAcquire(t, inv, set1, web()) }, inventory.Changes{}},
		"a key that no Pod has": {func() {
			mustAcquire(t, inv, set2, &abi.Pods{Namespaces: []string{"one"}, PodSelector: in("nobody", "")})
		}, inventory.Changes{}},
		"a port name that none is": {func() { inv.AcquirePortName("http") }, inventory.Changes{}},
		"attached":                 {func() { inv.Attach("one", "a", []netip.Addr{addrA}) }, inventory.Changes{Classes: []inventory.ClassID{classA}}},
		"detached":                 {func() { inv.Attach("one", "a", []netip.Addr{addrA}); inv.Flush(); inv.Detach("one", "a") }, inventory.Changes{Classes: []inventory.ClassID{classA}}},
		"relabelled": {
			func() { inv.PutPod(pod("b", app("web"), addrB)) },
			inventory.Changes{Addresses: []inventory.AddressChange{{Addr: addrB, Class: classA}}, Classes: []inventory.ClassID{classB}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.do()
			if got := inv.Flush(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			inv.Detach("one", "a")
			inv.PutPod(pod("a", app("web"), addrA))
			inv.PutPod(pod("b", app("db"), addrB))
			inv.ReleaseSet(set2)
			inv.ReleasePortName("http")
			inv.Flush()
		})
	}
}

func TestANewKeySplitsOnlyTheClassesThatHaveIt(t *testing.T) {
	inv := inventory.New()
	mustAcquire(t, inv, set1, web())
	inv.PutPod(pod("a", map[string]string{"app": "web", "env": "prod"}, addrA))
	inv.PutPod(pod("b", app("web"), addrB))
	inv.Flush()
	before := inv.ClassOf(addrA)
	if before != inv.ClassOf(addrB) {
		t.Fatal("told apart by a key that nobody mentions")
	}
	mustAcquire(t, inv, set2, &abi.Pods{Namespaces: []string{"one"}, PodSelector: in("env", "prod")})
	c := inv.Flush()
	if len(c.Addresses) != 1 || c.Addresses[0].Addr != addrA || inv.ClassOf(addrB) != before {
		t.Errorf("%+v", c)
	}
	inv.ReleaseSet(set2)
	if c := inv.Flush(); len(c.Addresses) != 1 || inv.ClassOf(addrA) != before {
		t.Errorf("the classes are not merged: %+v", c)
	}
}

func TestAttach(t *testing.T) {
	inv := inventory.New()
	mustAcquire(t, inv, set1, web())
	inv.Attach("one", "a", []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")})
	if c := inv.Flush(); !c.Empty() {
		t.Errorf("an attachment without an object changes %+v", c)
	}
	inv.PutPod(pod("other", app("web"), addrA))
	if class := inv.ClassOf(addrA); class != 0 {
		t.Errorf("an address that was given to an unknown Pod is in class %d of one that only lists it", class)
	}
	inv.PutPod(pod("a", app("web"), addrB))
	if class := inv.ClassOf(addrA); class == 0 || !inv.ClassIsLocal(class) {
		t.Errorf("class %d is not local", class)
	}
	member(t, inv, set1, addrA, true)
	if class := inv.ClassOf(addrB); class != 0 {
		t.Errorf("the object's address of an attached Pod is in class %d", class)
	}
	inv.DeletePod("one", "a") // forced: the containers still run
	member(t, inv, set1, addrA, true)
	if p, there := inv.Snapshot().PodByAddr(addrA); !there || p.Name() != "a" {
		t.Errorf("the attached Pod lost its address with its object")
	}
	inv.Detach("one", "a")
	if p, _ := inv.Snapshot().PodByAddr(addrA); p.Name() != "other" {
		t.Errorf("the older claimant did not get the address back")
	}
}

func TestAPutDoesNotRenewAClaim(t *testing.T) {
	inv := inventory.New()
	inv.PutPod(pod("old", nil, addrA))
	inv.PutPod(pod("new", nil, addrA))
	inv.PutPod(pod("old", app("terminating"), addrA))
	if p, _ := inv.Snapshot().PodByAddr(addrA); p.Name() != "new" {
		t.Errorf("an update of the old Pod took the address back")
	}
	again := pod("old", nil, addrA)
	again.UID = "another Pod of that name"
	inv.PutPod(again)
	if p, _ := inv.Snapshot().PodByAddr(addrA); p.Name() != "old" {
		t.Errorf("a new Pod under the old name did not get the address")
	}
}

func TestHostNetworkAndFinished(t *testing.T) {
	for name, change := range map[string]func(*inventory.Pod){
		"host":       func(p *inventory.Pod) { p.HostNetwork = true },
		"finished":   func(p *inventory.Pod) { p.Finished = true },
		"no address": func(p *inventory.Pod) { p.Addresses = nil },
	} {
		inv := inventory.New()
		mustAcquire(t, inv, set1, web())
		p := pod("a", app("web"), addrA)
		inv.PutPod(p)
		inv.Flush()
		change(&p)
		inv.PutPod(p)
		if c := inv.Flush(); len(c.Addresses) != 1 || c.Addresses[0].Class != 0 || len(inv.SetClasses(set1)) != 0 {
			t.Errorf("%s: %+v", name, c)
		}
		if got, there := inv.Snapshot().Pod("one", "a"); !there || got.Class() != 0 || len(got.Addresses()) != 0 {
			t.Errorf("%s: %v %v", name, got, there)
		}
	}
}

func TestNamespaces(t *testing.T) {
	inv := inventory.New()
	byLabel := &abi.Pods{NamespaceSelector: &abi.Selector{Requirements: []abi.Requirement{{Key: "team", Operator: abi.NotIn, Values: []string{"red"}}}}}
	mustAcquire(t, inv, set1, byLabel)
	name := in(inventory.NamespaceNameLabel, "one")
	mustAcquire(t, inv, set2, &abi.Pods{NamespaceSelector: &name})
	inv.PutPod(pod("a", nil, addrA))
	member(t, inv, set1, addrA, false)
	member(t, inv, set2, addrA, false)
	inv.PutNamespace(inventory.Namespace{Name: "one", Labels: map[string]string{inventory.NamespaceNameLabel: "a lie"}})
	member(t, inv, set1, addrA, true)
	member(t, inv, set2, addrA, true)
	inv.Flush()
	inv.PutNamespace(inventory.Namespace{Name: "one", Labels: map[string]string{"team": "red"}})
	if c := inv.Flush(); !reflect.DeepEqual(c, inventory.Changes{Sets: []inventory.SetKey{set1}}) {
		t.Errorf("%+v", c)
	}
	inv.DeleteNamespace("one")
	member(t, inv, set2, addrA, false)
}

func TestClassPort(t *testing.T) {
	inv := inventory.New()
	inv.AcquirePortName("http")
	p := pod("a", nil, addrA)
	p.Ports = []inventory.NamedPort{{"http", abi.TCP, 8080}, {"http", abi.TCP, 80}, {"http", abi.UDP, 53}, {"dns", abi.UDP, 53}}
	inv.PutPod(p)
	inv.PutPod(pod("b", nil, addrB))
	a, b := inv.ClassOf(addrA), inv.ClassOf(addrB)
	if a == b || !slices.Equal(inv.ClassPort(a, abi.TCP, "http"), []uint16{80, 8080}) || !slices.Equal(inv.ClassPort(a, abi.UDP, "http"), []uint16{53}) ||
		inv.ClassPort(b, abi.TCP, "http") != nil || inv.ClassPort(a, abi.SCTP, "http") != nil {
		t.Errorf("classes %d and %d: %v", a, b, inv.ClassPort(a, abi.TCP, "http"))
	}
	inv.ReleasePortName("http")
	if inv.ClassOf(addrA) != inv.ClassOf(addrB) {
		t.Errorf("still told apart by a name that was released")
	}
}

func TestBlocks(t *testing.T) {
	at := netip.MustParseAddr
	inv := inventory.New()
	mustAcquire(t, inv, set1, blocksOf(abi.Block{CIDR: "10.1.2.3/8", Except: []string{"10.1.0.0/16", "10.1.1.0/24"}}, abi.Block{CIDR: "10.1.1.0/24"}))
	mustAcquire(t, inv, set2, blocksOf(abi.Block{CIDR: "0.0.0.0/0"}))
	for text, want := range map[string][2]bool{
		"10.0.0.1": {true, true}, "10.1.0.1": {false, true}, "10.1.1.1": {true, true}, "9.9.9.9": {false, true}, "::ffff:10.0.0.1": {true, true},
		"fd00::1": {false, false}, "::a00:1": {false, false},
	} {
		member(t, inv, set1, at(text), want[0])
		member(t, inv, set2, at(text), want[1])
	}
	if inv.BlockOf(at("10.0.0.1")) != inv.BlockOf(at("10.1.1.1")) {
		t.Errorf("two prefixes in the same sets are two blocks")
	}
	inv.Flush()
	if err := inv.UpdateSet(set1, blocksOf(abi.Block{CIDR: "10.1.1.0/24"})); err != nil {
		t.Fatal(err)
	}
	if c := inv.Flush(); len(c.Blocks) != 2 || c.Blocks[0].Block != 0 || c.Blocks[1].Block != 0 {
		t.Errorf("%+v", c.Blocks) // the /8 and its except are gone, the /24 is in both sets as before
	}
	inv.ReleaseSet(set1)
	inv.ReleaseSet(set2)
	if c := inv.Flush(); len(c.Blocks) != 2 || len(c.Sets) != 2 {
		t.Errorf("%+v", c)
	}
}

func TestNodes(t *testing.T) {
	inv := inventory.New()
	mustAcquire(t, inv, set1, &abi.Nodes{Selector: in("role", "worker")})
	put := func(role string, addrs ...netip.Addr) {
		inv.PutNode(inventory.Node{Name: "n", Labels: map[string]string{"role": role}, Addresses: addrs})
	}
	put("worker", addrA)
	member(t, inv, set1, addrA, true)
	put("worker", addrB)
	member(t, inv, set1, addrA, false)
	member(t, inv, set1, addrB, true)
	put("other", addrB)
	member(t, inv, set1, addrB, false)
	put("worker", addrB)
	inv.DeleteNode("n")
	member(t, inv, set1, addrB, false)
}

func TestUnchangedSnapshotIsTheSame(t *testing.T) {
	inv := inventory.New()
	inv.PutPod(pod("a", app("web"), addrA))
	s := inv.Snapshot()
	inv.PutPod(pod("a", app("web"), addrA))
	if inv.Snapshot() != s {
		t.Error("a new snapshot of the same")
	}
	inv.PutPod(pod("a", app("db"), addrA))
	old, _ := s.PodByAddr(addrA)
	now, _ := inv.Snapshot().PodByAddr(addrA)
	if a, _ := old.Label("app"); a != "web" {
		t.Errorf("the old snapshot says %q", a)
	}
	if a, _ := now.Label("app"); a != "db" {
		t.Errorf("the new snapshot says %q", a)
	}
}

// TestReadersBesideTheWriter is for the race detector.
func TestReadersBesideTheWriter(t *testing.T) {
	inv := inventory.New()
	mustAcquire(t, inv, set1, web())
	putSpaces(inv)
	snapshots := make(chan *inventory.Snapshot, 8)
	done := make(chan int)
	go func() {
		seen := 0
		for s := range snapshots {
			for p := range s.Pods() {
				_, _ = p.Label("app")
				_, _, _ = p.Addresses(), p.Class(), p.Node()
				seen++
			}
			_, _ = s.NamespaceLabels("namespace-1")
		}
		done <- seen
	}()
	for i := range 200 {
		p := podNumber(i % 20)
		p.Labels["app"] = []string{"web", "db"}[i%2]
		inv.PutPod(p)
		inv.Flush()
		snapshots <- inv.Snapshot()
	}
	close(snapshots)
	if seen := <-done; seen < 200 {
		t.Errorf("the reader saw %d Pods", seen)
	}
}

const (
	// FNV-1a 64, folded, of "\x03one" "l\x03app\x03web" "p\x04http\x06\x00\x50", of "\x01m\x012",
	// and of nothing.
	goldenClass = 144343226
	goldenBlock = 3448982075
	goldenHole  = 1339080641
)
