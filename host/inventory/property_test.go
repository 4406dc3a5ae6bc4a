package inventory_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// TestAnySequence drives an inventory and the naive world through the same
// random events and compares them after each flush: membership, blocks, port
// names, a mirror that only ever saw Changes, and an inventory built from
// scratch.
func TestAnySequence(t *testing.T) {
	for range 20 { // rapid's default is 100 sequences
		rapid.Check(t, anySequence)
	}
}

func FuzzAnySequence(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anySequence)) }

func anySequence(t *rapid.T) {
	w, inv, m := newWorld(), inventory.New(), newMirror()
	before := inv.Snapshot()
	beforeText := describe(before)
	for range rapid.IntRange(1, 60).Draw(t, "events") {
		step(t, w, inv)
		if rapid.IntRange(0, 3).Draw(t, "flush") == 0 {
			m.apply(t, inv, inv.Flush())
			compare(t, w, inv, m)
		}
		if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
			before = inv.Snapshot()
			beforeText = describe(before)
		}
	}
	m.apply(t, inv, inv.Flush())
	compare(t, w, inv, m)
	if again := inv.Flush(); !again.Empty() {
		t.Fatalf("a second flush reports %+v", again)
	}
	compareScratch(t, w, inv)
	if text := describe(before); text != beforeText {
		t.Fatalf("a snapshot changed after it was taken:\n%s\nnow:\n%s", beforeText, text)
	}
	drain(t, w, inv)
}

// drain takes everything away again: nothing may be left.
func drain(t *rapid.T, w *world, inv *inventory.Inventory) {
	for key, p := range w.pods {
		if p.known && !p.deleted {
			inv.DeletePod(key[0], key[1])
		}
		inv.Detach(key[0], key[1])
	}
	for key := range w.sets {
		inv.ReleaseSet(key)
	}
	for name := range w.namespaces {
		inv.DeleteNamespace(name)
	}
	for name, n := range w.portNames {
		for range n {
			inv.ReleasePortName(name)
		}
	}
	for name := range w.nodes {
		inv.DeleteNode(name)
	}
	inv.Flush()
	if left := inventory.Leftovers(inv); left != "" {
		t.Fatalf("after everything was taken away there remain %s", left)
	}
}

var (
	spaceNames = []string{"a", "b", "c"}
	labelKeys  = []string{"app", "tier", "env", "kubernetes.io/metadata.name"}
	labelVals  = []string{"", "x", "y", "z"}
	portNames  = []string{"http", "dns"}
	addrTexts  = []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "::ffff:10.0.0.2", "fd00::1", "fd00::2", "fd00:1::1", "192.168.0.9"}
	cidrTexts  = []string{
		"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.0/31", "10.0.0.1/32", "10.0.1.0/24", "10.1.0.0/16",
		"10.0.0.9/8", "::/0", "fd00::/16", "fd00::/64", "fd00::1/128", "fd00:1::/32", "192.168.0.0/16",
	}
)

func step(t *rapid.T, w *world, inv *inventory.Inventory) {
	key := [2]string{pick(t, spaceNames), pick(t, []string{"p", "q", "r", "s"})}
	switch rapid.IntRange(0, 15).Draw(t, "event") {
	case 0, 1, 2, 3, 4:
		p := inventory.Pod{
			Namespace: key[0], Name: key[1], UID: pick(t, []string{"1", "1", "1", "2"}),
			Labels: drawLabels(t), Addresses: drawAddrs(t), Node: pick(t, []string{"", "n", "m"}),
			HostNetwork: rapid.IntRange(0, 9).Draw(t, "host") == 0,
			Finished:    rapid.IntRange(0, 9).Draw(t, "finished") == 0,
		}
		for range rapid.IntRange(0, 2).Draw(t, "ports") {
			p.Ports = append(p.Ports, inventory.NamedPort{
				Name: pick(t, portNames), Protocol: pick(t, []abi.Protocol{abi.TCP, abi.UDP}), Number: uint16(rapid.IntRange(80, 82).Draw(t, "number")),
			})
		}
		t.Logf("put %+v", p)
		w.putPod(p)
		inv.PutPod(p)
	case 5:
		t.Logf("delete %v", key)
		w.deletePod(key)
		inv.DeletePod(key[0], key[1])
	case 6:
		addrs := drawAddrs(t)
		t.Logf("attach %v %v", key, addrs)
		w.attach(key, addrs)
		inv.Attach(key[0], key[1], addrs)
	case 7:
		t.Logf("detach %v", key)
		w.detach(key)
		inv.Detach(key[0], key[1])
	case 8, 9:
		n := inventory.Namespace{Name: key[0], Labels: drawLabels(t)}
		t.Logf("put %+v", n)
		w.namespaces[n.Name] = n.Labels
		inv.PutNamespace(n)
	case 10:
		delete(w.namespaces, key[0])
		inv.DeleteNamespace(key[0])
	case 11:
		if rapid.Bool().Draw(t, "gone") {
			delete(w.nodes, "n")
			inv.DeleteNode("n")
			return
		}
		n := inventory.Node{Name: pick(t, []string{"n", "m"}), Labels: drawLabels(t), Addresses: drawAddrs(t)}
		t.Logf("put %+v", n)
		w.nodes[n.Name] = n
		inv.PutNode(n)
	case 12, 13:
		set, spec := drawKey(t), drawSpec(t)
		t.Logf("acquire %v %+v", set, spec)
		w.sets[set] = spec
		put := inv.AcquireSet
		if rapid.Bool().Draw(t, "update") {
			put = inv.UpdateSet
		}
		if err := put(set, spec); err != nil {
			t.Fatal(err)
		}
	case 14:
		set := drawKey(t)
		t.Logf("release %v", set)
		delete(w.sets, set)
		inv.ReleaseSet(set)
	case 15:
		name := pick(t, portNames)
		t.Logf("port name %q", name)
		if rapid.Bool().Draw(t, "release") {
			w.portNames[name] = max(0, w.portNames[name]-1)
			inv.ReleasePortName(name)
			return
		}
		w.portNames[name]++
		inv.AcquirePortName(name)
	}
}

func pick[T any](t *rapid.T, from []T) T { return rapid.SampledFrom(from).Draw(t, "pick") }

func drawKey(t *rapid.T) inventory.SetKey {
	return inventory.SetKey{Module: pick(t, []string{"m", "n"}), Name: pick(t, []string{"1", "2", "3"})}
}

func drawLabels(t *rapid.T) map[string]string {
	labels := map[string]string{}
	for range rapid.IntRange(0, 3).Draw(t, "labels") {
		labels[pick(t, labelKeys[:3])] = pick(t, labelVals)
	}
	return labels
}

func drawAddrs(t *rapid.T) []netip.Addr {
	var addrs []netip.Addr
	for range rapid.IntRange(0, 2).Draw(t, "addresses") {
		addrs = append(addrs, netip.MustParseAddr(pick(t, addrTexts)))
	}
	return addrs
}

func drawSelector(t *rapid.T) abi.Selector {
	var s abi.Selector
	for range rapid.IntRange(0, 2).Draw(t, "requirements") {
		r := abi.Requirement{Key: pick(t, labelKeys), Operator: abi.Operator(rapid.IntRange(1, 4).Draw(t, "operator"))}
		if r.Operator <= abi.NotIn {
			for range rapid.IntRange(1, 3).Draw(t, "values") {
				r.Values = append(r.Values, pick(t, append(labelVals, spaceNames...)))
			}
		}
		s.Requirements = append(s.Requirements, r)
	}
	return s
}

func drawSpec(t *rapid.T) abi.SetSpec {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return &abi.Nodes{Selector: drawSelector(t)}
	case 1, 2:
		spec := &abi.Addresses{}
		for range rapid.IntRange(0, 3).Draw(t, "blocks") {
			b := abi.Block{CIDR: pick(t, cidrTexts)}
			outer := netip.MustParsePrefix(b.CIDR).Masked()
			for _, text := range cidrTexts {
				inner := netip.MustParsePrefix(text).Masked()
				if outer.Overlaps(inner) && inner.Bits() > outer.Bits() && rapid.IntRange(0, 2).Draw(t, "except") == 0 {
					b.Except = append(b.Except, text)
				}
			}
			spec.Blocks = append(spec.Blocks, b)
		}
		return spec
	}
	spec := &abi.Pods{PodSelector: drawSelector(t)}
	for range rapid.IntRange(0, 2).Draw(t, "namespaces") {
		spec.Namespaces = append(spec.Namespaces, pick(t, spaceNames))
	}
	if rapid.Bool().Draw(t, "by label") {
		s := drawSelector(t)
		spec.NamespaceSelector = &s
	}
	return spec
}

// compare holds every answer of the inventory against the naive world.
func compare(t *rapid.T, w *world, inv *inventory.Inventory, m *mirror) {
	for _, text := range addrTexts {
		addr := netip.MustParseAddr(text).Unmap()
		owner, class, block := w.owner(addr), inv.ClassOf(addr), inv.BlockOf(addr)
		if m.addresses[addr] != class {
			t.Fatalf("%s: the mirror says class %d, the inventory %d", addr, m.addresses[addr], class)
		}
		if got := m.longest(addr); got != block {
			t.Fatalf("%s: the mirror says block %d, the inventory %d", addr, got, block)
		}
		if (owner != nil && owner.known) != (class != 0) {
			t.Fatalf("%s: owner %+v, class %d", addr, owner, class)
		}
		if class != 0 {
			compareClass(t, w, inv, owner, class)
		}
		for key, spec := range w.sets {
			pods, is := spec.(*abi.Pods)
			want := is && owner != nil && owner.known && w.isMember(pods, owner)
			if got := slices.Contains(inv.SetClasses(key), class); got != want {
				t.Fatalf("%s of %+v, class %d: in set %s by class: %v, by selector: %v", addr, owner, class, key, got, want)
			}
			want = w.hasAddr(spec, addr)
			if got := slices.Contains(inv.SetBlocks(key), block); got != want {
				t.Fatalf("%s, block %d: in set %s by block: %v, by CIDR: %v", addr, block, key, got, want)
			}
		}
	}
	for key := range w.sets {
		if got, want := m.classes[key], inv.SetClasses(key); !slices.Equal(got, want) {
			t.Fatalf("set %s: the mirror has classes %v, the inventory %v", key, got, want)
		}
		if got, want := m.blocks[key], inv.SetBlocks(key); !slices.Equal(got, want) {
			t.Fatalf("set %s: the mirror has blocks %v, the inventory %v", key, got, want)
		}
	}
	for id, local := range m.local {
		if _, exists := inv.ClassInfo(id); !exists || inv.ClassIsLocal(id) != local {
			t.Fatalf("class %d: the mirror says local=%v, the inventory exists=%v local=%v", id, local, exists, inv.ClassIsLocal(id))
		}
	}
}

func compareClass(t *rapid.T, w *world, inv *inventory.Inventory, p *worldPod, id inventory.ClassID) {
	info, exists := inv.ClassInfo(id)
	if !exists || info.Namespace != p.object.Namespace {
		t.Fatalf("class %d of %+v: %+v", id, p, info)
	}
	if p.attached && !inv.ClassIsLocal(id) {
		t.Fatalf("class %d of %+v is not local", id, p)
	}
	for _, name := range portNames {
		var want []uint16
		for _, port := range p.object.Ports {
			if w.portNames[name] > 0 && port.Name == name && port.Protocol == abi.TCP && !slices.Contains(want, port.Number) {
				want = append(want, port.Number)
			}
		}
		slices.Sort(want)
		if got := inv.ClassPort(id, abi.TCP, name); !slices.Equal(got, want) {
			t.Fatalf("class %d of %+v: port %q is %v, want %v", id, p, name, got, want)
		}
	}
}

func compareScratch(t *rapid.T, w *world, inv *inventory.Inventory) {
	scratch := w.rebuild()
	for _, text := range addrTexts {
		addr := netip.MustParseAddr(text)
		if a, b := inv.ClassOf(addr), scratch.ClassOf(addr); a != b {
			t.Fatalf("%s: class %d, from scratch %d", addr, a, b)
		}
		if a, b := inv.BlockOf(addr), scratch.BlockOf(addr); a != b {
			t.Fatalf("%s: block %d, from scratch %d", addr, a, b)
		}
	}
	for key := range w.sets {
		if a, b := inv.SetClasses(key), scratch.SetClasses(key); !slices.Equal(a, b) {
			t.Fatalf("set %s: classes %v, from scratch %v", key, a, b)
		}
		if a, b := inv.SetBlocks(key), scratch.SetBlocks(key); !slices.Equal(a, b) {
			t.Fatalf("set %s: blocks %v, from scratch %v", key, a, b)
		}
	}
	m := newMirror()
	m.apply(t, scratch, scratch.Flush())
	n := newMirror()
	for p := range scratch.Snapshot().Pods() {
		for _, addr := range p.Addresses() {
			if id := scratch.ClassOf(addr); id != 0 {
				n.addresses[addr] = id
			}
		}
	}
	if !maps.Equal(m.addresses, n.addresses) {
		t.Fatalf("from scratch: changes give %v, queries %v", m.addresses, n.addresses)
	}
}

// mirror knows only what Changes told, and asks for a set or a class only when
// told that it changed.
type mirror struct {
	addresses map[netip.Addr]inventory.ClassID
	prefixes  map[netip.Prefix]inventory.BlockID
	classes   map[inventory.SetKey][]inventory.ClassID
	blocks    map[inventory.SetKey][]inventory.BlockID
	local     map[inventory.ClassID]bool
}

func newMirror() *mirror {
	return &mirror{
		addresses: map[netip.Addr]inventory.ClassID{},
		prefixes:  map[netip.Prefix]inventory.BlockID{},
		classes:   map[inventory.SetKey][]inventory.ClassID{},
		blocks:    map[inventory.SetKey][]inventory.BlockID{},
		local:     map[inventory.ClassID]bool{},
	}
}

func (m *mirror) apply(t *rapid.T, inv *inventory.Inventory, c inventory.Changes) {
	for i, a := range c.Addresses {
		if i > 0 && !c.Addresses[i-1].Addr.Less(a.Addr) {
			t.Fatalf("addresses are not in order: %v", c.Addresses)
		}
		if m.addresses[a.Addr] == a.Class {
			t.Fatalf("%v is no change", a)
		}
		m.addresses[a.Addr] = a.Class
		if a.Class == 0 {
			delete(m.addresses, a.Addr)
		}
	}
	for i, b := range c.Blocks {
		if i > 0 && c.Blocks[i-1].Prefix.Compare(b.Prefix) >= 0 {
			t.Fatalf("blocks are not in order: %v", c.Blocks)
		}
		if m.prefixes[b.Prefix] == b.Block {
			t.Fatalf("%v is no change", b)
		}
		m.prefixes[b.Prefix] = b.Block
		if b.Block == 0 {
			delete(m.prefixes, b.Prefix)
		}
	}
	if !slices.IsSortedFunc(c.Sets, inventory.SetKey.Compare) || !slices.IsSorted(c.Classes) {
		t.Fatalf("sets or classes are not in order: %v %v", c.Sets, c.Classes)
	}
	for _, key := range c.Sets {
		classes, blocks := slices.Clone(inv.SetClasses(key)), inv.SetBlocks(key)
		if slices.Equal(classes, m.classes[key]) && slices.Equal(blocks, m.blocks[key]) {
			t.Fatalf("set %s did not change", key)
		}
		m.classes[key], m.blocks[key] = classes, blocks
	}
	for _, id := range c.Classes {
		if _, exists := inv.ClassInfo(id); exists {
			m.local[id] = inv.ClassIsLocal(id)
		} else {
			delete(m.local, id)
		}
	}
}

func (m *mirror) longest(addr netip.Addr) inventory.BlockID {
	var best netip.Prefix
	for p := range m.prefixes {
		if p.Contains(addr) && (!best.IsValid() || p.Bits() > best.Bits()) {
			best = p
		}
	}
	return m.prefixes[best]
}

func describe(s *inventory.Snapshot) string {
	var text string
	for p := range s.Pods() {
		text += fmt.Sprintln(p.Namespace(), p.Name(), p.Labels(), p.Addresses(), p.Ports(), p.Node(), p.Class(), p.Attached())
	}
	for _, a := range addrTexts {
		if p, there := s.PodByAddr(netip.MustParseAddr(a)); there {
			text += fmt.Sprintln(a, p.Namespace(), p.Name())
		}
	}
	for ns := range s.Namespaces() {
		labels, _ := s.NamespaceLabels(ns)
		text += fmt.Sprintln(ns, labels)
	}
	for n := range s.Nodes() {
		text += fmt.Sprintln(n)
	}
	return text
}
