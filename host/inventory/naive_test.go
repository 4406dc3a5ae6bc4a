package inventory_test

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// world is the plainest possible inventory: it keeps everything as it was
// said, and answers each question by looking at all of it.
type world struct {
	pods       map[[2]string]*worldPod
	namespaces map[string]map[string]string
	nodes      map[string]inventory.Node
	sets       map[inventory.SetKey]abi.SetSpec
	portNames  map[string]int
	claims     []claim // oldest first
}

type worldPod struct {
	object   inventory.Pod
	known    bool
	deleted  bool
	attached bool
	cni      []netip.Addr
}

type claim struct {
	pod  [2]string
	addr netip.Addr
}

func newWorld() *world {
	return &world{
		pods:       map[[2]string]*worldPod{},
		namespaces: map[string]map[string]string{},
		nodes:      map[string]inventory.Node{},
		sets:       map[inventory.SetKey]abi.SetSpec{},
		portNames:  map[string]int{},
	}
}

func (p *worldPod) claimed() []netip.Addr {
	switch {
	case p == nil || p.object.HostNetwork || p.object.Finished:
		return nil
	case p.attached:
		return plainAll(p.cni)
	case p.known:
		return plainAll(p.object.Addresses)
	}
	return nil
}

func plainAll(addrs []netip.Addr) []netip.Addr {
	var plain []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); !slices.Contains(plain, a) {
			plain = append(plain, a)
		}
	}
	return plain
}

// change replaces a Pod and brings the claims up to date: what is claimed
// still keeps its place, unless it is another Pod or another kind of claim.
func (w *world) change(key [2]string, next *worldPod) {
	old := w.pods[key]
	anew := old == nil || next == nil || old.attached != next.attached ||
		old.known && next.known && old.object.UID != next.object.UID
	after := next.claimed()
	w.claims = slices.DeleteFunc(w.claims, func(c claim) bool {
		return c.pod == key && (anew || !slices.Contains(after, c.addr))
	})
	for _, addr := range after {
		if !slices.Contains(w.claims, claim{key, addr}) {
			w.claims = append(w.claims, claim{key, addr})
		}
	}
	if next == nil {
		delete(w.pods, key)
	} else {
		w.pods[key] = next
	}
}

func (w *world) putPod(p inventory.Pod) {
	key := [2]string{p.Namespace, p.Name}
	next := &worldPod{object: p, known: true}
	if old := w.pods[key]; old != nil {
		next.attached, next.cni = old.attached, old.cni
	}
	w.change(key, next)
}

func (w *world) deletePod(key [2]string) {
	old := w.pods[key]
	if old == nil || !old.known || old.deleted {
		return
	}
	if !old.attached {
		w.change(key, nil)
		return
	}
	next := *old
	next.deleted = true
	w.change(key, &next)
}

func (w *world) attach(key [2]string, addrs []netip.Addr) {
	next := &worldPod{object: inventory.Pod{Namespace: key[0], Name: key[1]}}
	if old := w.pods[key]; old != nil {
		*next = *old
	}
	next.attached, next.cni = true, addrs
	w.change(key, next)
}

func (w *world) detach(key [2]string) {
	old := w.pods[key]
	if old == nil || !old.attached {
		return
	}
	if !old.known || old.deleted {
		w.change(key, nil)
		return
	}
	next := *old
	next.attached, next.cni = false, nil
	w.change(key, &next)
}

// owner is the Pod that holds an address: an attached one before any other,
// the latest claim before an older one.
func (w *world) owner(addr netip.Addr) *worldPod {
	var owner *worldPod
	for _, c := range w.claims {
		if p := w.pods[c.pod]; c.addr == addr && (owner == nil || p.attached || !owner.attached) {
			owner = p
		}
	}
	return owner
}

func holds(selector abi.Selector, labels map[string]string) bool {
	for _, r := range selector.Requirements {
		value, present := labels[r.Key]
		in := present && slices.Contains(r.Values, value)
		if r.Operator == abi.In && !in || r.Operator == abi.NotIn && in ||
			r.Operator == abi.Exists && !present || r.Operator == abi.DoesNotExist && present {
			return false
		}
	}
	return true
}

// isMember evaluates a set of Pods on a Pod.
func (w *world) isMember(spec *abi.Pods, p *worldPod) bool {
	inScope := slices.Contains(spec.Namespaces, p.object.Namespace)
	if labels, exists := w.namespaces[p.object.Namespace]; exists && spec.NamespaceSelector != nil {
		all := map[string]string{}
		for k, v := range labels {
			all[k] = v
		}
		all["kubernetes.io/metadata.name"] = p.object.Namespace
		inScope = inScope || holds(*spec.NamespaceSelector, all)
	}
	return inScope && holds(spec.PodSelector, p.object.Labels)
}

// hasAddr evaluates a set of addresses or nodes on an address.
func (w *world) hasAddr(spec abi.SetSpec, addr netip.Addr) bool {
	switch spec := spec.(type) {
	case *abi.Nodes:
		for _, n := range w.nodes {
			if holds(spec.Selector, n.Labels) && slices.Contains(plainAll(n.Addresses), addr) {
				return true
			}
		}
	case *abi.Addresses:
		for _, b := range spec.Blocks {
			in := netip.MustParsePrefix(b.CIDR).Contains(addr)
			for _, e := range b.Except {
				in = in && !netip.MustParsePrefix(e).Contains(addr)
			}
			if in {
				return true
			}
		}
	}
	return false
}

// rebuild tells a new inventory only what is true now, in another order of
// events.
func (w *world) rebuild() *inventory.Inventory {
	inv := inventory.New()
	for key, spec := range w.sets {
		if err := inv.AcquireSet(key, spec); err != nil {
			panic(err)
		}
	}
	for name, labels := range w.namespaces {
		inv.PutNamespace(inventory.Namespace{Name: name, Labels: labels})
	}
	for key, p := range w.pods {
		if p.attached {
			inv.Attach(key[0], key[1], nil)
		}
		if p.known {
			object := p.object
			object.Addresses = nil
			inv.PutPod(object)
		}
	}
	for name, n := range w.portNames {
		for range n {
			inv.AcquirePortName(name)
		}
	}
	// Claims come in their order, one at a time.
	grown := map[[2]string][]netip.Addr{}
	for _, c := range w.claims {
		grown[c.pod] = append(grown[c.pod], c.addr)
		if p := w.pods[c.pod]; p.attached {
			inv.Attach(c.pod[0], c.pod[1], grown[c.pod])
		} else {
			object := p.object
			object.Addresses = grown[c.pod]
			inv.PutPod(object)
		}
	}
	for key, p := range w.pods {
		if p.deleted {
			inv.DeletePod(key[0], key[1])
		}
	}
	for _, n := range w.nodes {
		inv.PutNode(n)
	}
	return inv
}
