package compare

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/host/inventory"
)

// world is an inventory of the same objects that knows the sets of both sides:
// its classes and blocks are what neither side can tell apart.
type world struct {
	from *inventory.Snapshot
	inv  *inventory.Inventory
	// blocks is the table for longest-prefix match, outer prefixes first.
	blocks []inventory.BlockChange
}

func newWorld(from *inventory.Snapshot) *world {
	w := &world{from: from, inv: inventory.New()}
	for name := range from.Namespaces() {
		labels, _ := from.NamespaceLabels(name)
		w.inv.PutNamespace(inventory.Namespace{Name: name, Labels: labels})
	}
	for node := range from.Nodes() {
		w.inv.PutNode(node)
	}
	for pod := range from.Pods() {
		w.inv.PutPod(inventory.Pod{
			Namespace: pod.Namespace(), Name: pod.Name(), Labels: pod.Labels(), Addresses: w.owned(pod), Node: pod.Node(),
			Ports: pod.Ports(), HostNetwork: pod.HostNetwork(), Finished: pod.Finished(),
		})
	}
	return w
}

// owned are the addresses that lead to this Pod and to no other.
func (w *world) owned(pod inventory.PodView) (addrs []netip.Addr) {
	for _, a := range pod.Addresses() {
		if owner, is := w.from.PodByAddr(a); is && owner == pod {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// resolve makes the sets of both sides known and tells each side who is in them.
// A set that is the same in both is one.
func (w *world) resolve(sides ...*side) error {
	for i, s := range sides {
		for name, set := range s.sets {
			s.keys[name] = inventory.SetKey{Module: fmt.Sprintf("%d %s", i, name.Module), Name: name.Name}
			if i > 0 && sides[0].sameSet(name, set) {
				s.keys[name] = sides[0].keys[name]
				continue
			}
			if err := w.inv.AcquireSet(s.keys[name], set.Spec); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		for _, r := range s.rules {
			for _, p := range r.spec.Ports {
				if p.Name != "" {
					w.inv.AcquirePortName(p.Name)
				}
			}
		}
	}
	w.blocks = w.inv.Flush().Blocks
	for _, s := range sides {
		s.enter(w.inv)
	}
	for _, s := range sides {
		s.markChanged(sides)
	}
	return nil
}

// ends are all that there are, Pods first.
func (w *world) ends() []*end {
	g := gather{byKey: map[endKey]*end{}}
	for pod := range w.inv.Snapshot().Pods() {
		if addrs := pod.Addresses(); len(addrs) > 0 {
			g.add(Pods, pod.Class(), member{pod.Namespace() + "/" + pod.Name(), pod.Node(), addrs}, w.inv.BlockOf)
		}
	}
	taken := func(a netip.Addr) bool { _, pod := w.from.PodByAddr(a); return pod }
	held := map[netip.Addr]bool{}
	for node := range w.from.Nodes() {
		var addrs []netip.Addr
		for _, a := range node.Addresses {
			if !taken(a) && !held[a] {
				held[a] = true
				addrs = append(addrs, a)
			}
		}
		if len(addrs) > 0 {
			g.add(Nodes, 0, member{node.Name, node.Name, addrs}, w.inv.BlockOf)
		}
	}
	free := func(a netip.Addr) bool { return !taken(a) && !held[a] }
	for _, o := range outside(w.blocks, free) {
		g.add(Outside, 0, o, w.inv.BlockOf)
	}
	return g.order
}
