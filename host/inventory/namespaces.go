package inventory

import (
	"maps"
	"slices"
	"strings"
)

// NamespaceNameLabel is carried by every namespace with its name as the value
// (Kubernetes: "automatic labelling", well-known labels).
const NamespaceNameLabel = "kubernetes.io/metadata.name"

// pair is a label of a namespace.
type pair struct{ key, value string }

// namespace is kept from the first Pod, object or set that names it to the
// last. Readers look at its name only.
type namespace struct {
	name    string
	exists  bool   // its object was put
	labels  []pair // ordered by key; the implied one included; nil unless exists
	classes map[*class]struct{}
	pods    int
	named   int    // acquired sets that name it
	bucket  bucket // sets found through its name
}

// spacePosting is what one label of namespaces leads to.
type spacePosting struct {
	namespaces map[*namespace]struct{}
	bucket     bucket
}

// PutNamespace says that a namespace exists with these labels.
func (inv *Inventory) PutNamespace(n Namespace) {
	labels := make([]pair, 0, len(n.Labels)+1)
	for key, value := range n.Labels {
		if key != NamespaceNameLabel {
			labels = append(labels, pair{strings.Clone(key), strings.Clone(value)})
		}
	}
	ns := inv.namespace(n.Name)
	labels = append(labels, pair{NamespaceNameLabel, ns.name})
	slices.SortFunc(labels, func(a, b pair) int { return compareStrings(a.key, b.key) })
	if ns.exists && slices.Equal(ns.labels, labels) {
		return
	}
	inv.relabel(ns, labels)
	kept := make(map[string]string, len(labels))
	for _, l := range labels {
		kept[l.key] = l.value
	}
	inv.spaces.Set(ns.name, &space{name: ns.name, labels: kept})
}

// DeleteNamespace says that the namespace object is gone. Pods that are still
// in it are members of nothing by namespace labels.
func (inv *Inventory) DeleteNamespace(name string) {
	ns := inv.namespaces[name]
	if ns == nil || !ns.exists {
		return
	}
	inv.relabel(ns, nil)
	inv.spaces.Delete(name)
	inv.forgetNamespace(ns)
}

// relabel gives the namespace its new labels (nil: its object is gone) and
// moves the membership of its classes.
func (inv *Inventory) relabel(ns *namespace, labels []pair) {
	inv.published = nil
	for _, l := range ns.labels {
		posting := inv.spaceIndex[l]
		delete(posting.namespaces, ns)
		inv.forgetPosting(l)
	}
	ns.labels, ns.exists = labels, labels != nil
	for _, l := range labels {
		inv.posting(l).namespaces[ns] = struct{}{}
	}
	for c := range ns.classes {
		inv.rematch(c)
	}
}

// rematch finds the sets of a class anew, after its namespace changed.
func (inv *Inventory) rematch(c *class) {
	for _, s := range slices.Clone(c.sets) {
		if s.spaceSelector != nil && !s.matches(c) {
			s.remove(c, &inv.journal)
			c.drop(s)
		}
	}
	inv.eachCandidate(c, func(s *set) {
		if s.spaceSelector != nil && !s.has(c) && s.matches(c) {
			s.add(c, &inv.journal)
		}
	})
}

func (inv *Inventory) namespace(name string) *namespace {
	ns := inv.namespaces[name]
	if ns == nil {
		name = strings.Clone(name)
		ns = &namespace{name: name, classes: make(map[*class]struct{})}
		inv.namespaces[name] = ns
	}
	return ns
}

func (inv *Inventory) forgetNamespace(ns *namespace) {
	if !ns.exists && ns.pods == 0 && ns.named == 0 {
		delete(inv.namespaces, ns.name)
	}
}

func (inv *Inventory) posting(l pair) *spacePosting {
	posting := inv.spaceIndex[l]
	if posting == nil {
		posting = &spacePosting{namespaces: make(map[*namespace]struct{})}
		inv.spaceIndex[l] = posting
	}
	return posting
}

func (inv *Inventory) forgetPosting(l pair) {
	if posting := inv.spaceIndex[l]; len(posting.namespaces) == 0 && len(posting.bucket.sets) == 0 {
		delete(inv.spaceIndex, l)
	}
}

// space is a namespace as readers see it.
type space struct {
	name   string
	labels map[string]string
}

func (s *space) copyLabels() map[string]string { return maps.Clone(s.labels) }
