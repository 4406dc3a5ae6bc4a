package inventory

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/host/inventory/cow"
)

// Snapshot is what the inventory held at one moment. It never changes and may
// be read by many goroutines.
type Snapshot struct {
	pods   cow.View[podKey, *pod]
	owners cow.View[netip.Addr, *pod]
	spaces cow.View[string, *space]
	nodes  cow.View[string, *node]
}

// Snapshot freezes what is known now. It costs nothing by itself; the first
// change of an entry afterwards copies the few entries beside it. If nothing
// changed since the last call the same snapshot is returned.
func (inv *Inventory) Snapshot() *Snapshot {
	inv.settle()
	if inv.published == nil {
		inv.published = &Snapshot{
			pods:   inv.pods.View(),
			owners: inv.owners.View(),
			spaces: inv.spaces.View(),
			nodes:  inv.nodes.View(),
		}
	}
	return inv.published
}

// PodView is a Pod in a snapshot. It is a small value; copy it freely.
type PodView struct{ p *pod }

// PodByAddr returns the Pod that holds the address: never a hostNetwork or
// finished one, nor one whose object has not been seen.
func (s *Snapshot) PodByAddr(addr netip.Addr) (PodView, bool) {
	p, there := s.owners.Get(normalise(addr))
	return PodView{p}, there && p.known
}

// Pod returns the Pod of that name, whether or not it is in a class.
func (s *Snapshot) Pod(namespace, name string) (PodView, bool) {
	p, there := s.pods.Get(podKey{namespace, name})
	return PodView{p}, there && p.known
}

// Pods yields every Pod whose object is known, ordered by namespace and name;
// hostNetwork and finished ones too.
func (s *Snapshot) Pods() iter.Seq[PodView] {
	return func(yield func(PodView) bool) {
		all := make([]*pod, 0, s.pods.Len())
		for _, p := range s.pods.All() {
			if p.known {
				all = append(all, p)
			}
		}
		slices.SortFunc(all, func(a, b *pod) int {
			return cmp.Or(compareStrings(a.namespace.name, b.namespace.name), compareStrings(a.name, b.name))
		})
		for _, p := range all {
			if !yield(PodView{p}) {
				return
			}
		}
	}
}

// NamespaceLabels returns the labels of a namespace, the implied one included.
// False: its object is not known.
func (s *Snapshot) NamespaceLabels(name string) (map[string]string, bool) {
	ns, there := s.spaces.Get(name)
	if !there {
		return nil, false
	}
	return ns.copyLabels(), true
}

// NamespaceLabel returns one label of a namespace whose object is known.
func (s *Snapshot) NamespaceLabel(namespace, key string) (string, bool) {
	ns, there := s.spaces.Get(namespace)
	if !there {
		return "", false
	}
	value, there := ns.labels[key]
	return value, there
}

// Namespaces yields the names of the namespaces whose object is known, in
// order.
func (s *Snapshot) Namespaces() iter.Seq[string] {
	return func(yield func(string) bool) {
		names := make([]string, 0, s.spaces.Len())
		for name := range s.spaces.All() {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	}
}

// Node returns the node of that name.
func (s *Snapshot) Node(name string) (Node, bool) {
	n, there := s.nodes.Get(name)
	if !there {
		return Node{}, false
	}
	return n.copy(), true
}

// Nodes yields every node, ordered by name.
func (s *Snapshot) Nodes() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		names := make([]string, 0, s.nodes.Len())
		for name := range s.nodes.All() {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			n, _ := s.nodes.Get(name)
			if !yield(n.copy()) {
				return
			}
		}
	}
}

func (n *node) copy() Node {
	return Node{Name: n.name, Labels: maps.Clone(n.labels), Addresses: slices.Clone(n.addrs)}
}

// Namespace is the namespace of the Pod.
func (v PodView) Namespace() string { return v.p.namespace.name }

// Name is the name of the Pod.
func (v PodView) Name() string { return v.p.name }

// Node is spec.nodeName.
func (v PodView) Node() string { return v.p.node.Value() }

// HostNetwork tells whether the Pod uses its node's addresses.
func (v PodView) HostNetwork() bool { return v.p.hostNetwork }

// Finished tells whether the Pod has succeeded or failed.
func (v PodView) Finished() bool { return v.p.finished }

// Attached tells whether the Pod is one of this node, connected by CNI.
func (v PodView) Attached() bool { return v.p.attachment != nil }

// Class is the class of the Pod, 0 if it is in none.
func (v PodView) Class() ClassID { return v.p.classID() }

// Addresses are what the Pod claims: none if it is finished or of the host
// network.
func (v PodView) Addresses() []netip.Addr { return slices.Clone(v.p.claims()) }

// Ports are the named ports, ordered by name, protocol, number.
func (v PodView) Ports() []NamedPort { return slices.Clone(v.p.ports) }

// Label returns the value of a label, and whether the Pod carries it.
func (v PodView) Label(key string) (string, bool) {
	for _, l := range v.p.labels {
		if l.key.name == key {
			return l.value, true
		}
	}
	return "", false
}

// Labels returns all labels.
func (v PodView) Labels() map[string]string {
	all := make(map[string]string, len(v.p.labels))
	for _, l := range v.p.labels {
		all[l.key.name] = l.value
	}
	return all
}
