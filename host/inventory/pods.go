package inventory

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unique"
)

type podKey struct{ namespace, name string }

// pod is what is known of a Pod at one moment. It is never changed after it
// was put into the maps, for readers may hold it: a change makes another one.
// Readers must not look into namespace (beyond its name) nor class (beyond its
// id).
type pod struct {
	namespace   *namespace
	name        string
	identity    uint64 // hash of the UID
	labels      []*label
	ports       []NamedPort
	listed      []netip.Addr // from the object
	attachment  *attachment  // nil: not attached here
	node        unique.Handle[string]
	class       *class
	known       bool // its object was put
	hostNetwork bool
	finished    bool
	deleted     bool // its object is gone, but it is still attached
}

// attachment is what CNI said.
type attachment struct{ addrs []netip.Addr }

func (p *pod) key() podKey { return podKey{p.namespace.name, p.name} }

// claims are the addresses that the Pod says are its own.
func (p *pod) claims() []netip.Addr {
	switch {
	case p == nil || p.hostNetwork || p.finished:
		return nil
	case p.attachment != nil:
		return p.attachment.addrs
	}
	return p.listed
}

// PutPod says that a Pod exists with this content.
//
// Among several owners of one address an attached Pod wins; among equals the
// one that came to claim it last. A put that says again what was known, or
// changes only other fields, does not make a claim newer; another UID does.
func (inv *Inventory) PutPod(p Pod) {
	old, _ := inv.pods.Get(podKey{p.Namespace, p.Name})
	if old != nil && old.says(&p) {
		return
	}
	inv.published = nil
	next := &pod{
		identity:    fnv64(p.UID),
		known:       true,
		hostNetwork: p.HostNetwork,
		finished:    p.Finished,
		node:        unique.Make(p.Node),
	}
	if old != nil {
		next.namespace, next.name, next.attachment = old.namespace, old.name, old.attachment
	} else {
		next.namespace, next.name = inv.namespace(p.Namespace), strings.Clone(p.Name)
	}
	if old != nil && sameLabels(old.labels, p.Labels) {
		next.labels = old.labels
	} else {
		next.labels = inv.internAll(p.Labels)
	}
	if old != nil && samePorts(old.ports, p.Ports) {
		next.ports = old.ports
	} else {
		next.ports = inv.internPorts(p.Ports)
	}
	if old != nil && sameAddrs(old.listed, p.Addresses) {
		next.listed = old.listed
	} else {
		next.listed = normaliseAll(p.Addresses)
	}
	inv.replace(old, next)
}

// DeletePod says that the object is gone. A Pod that is still attached here is
// kept as it was last known until Detach: its containers may still run, and
// must not lose their isolation before they end.
func (inv *Inventory) DeletePod(namespace, name string) {
	old, there := inv.pods.Get(podKey{namespace, name})
	if !there || !old.known || old.deleted {
		return
	}
	inv.published = nil
	if old.attachment == nil {
		inv.replace(old, nil)
		return
	}
	next := *old
	next.deleted = true
	inv.replace(old, &next)
}

// Attach says that CNI gave these addresses to a Pod of this node. From now on
// they, and not those of the object, are the Pod's. The object may come later;
// until then the addresses are in no class, but no other Pod's either.
func (inv *Inventory) Attach(namespace, name string, addrs []netip.Addr) {
	old, there := inv.pods.Get(podKey{namespace, name})
	if there && old.attachment != nil && sameAddrs(old.attachment.addrs, addrs) {
		return
	}
	inv.published = nil
	next := &pod{node: unique.Make("")}
	if there {
		*next = *old
	} else {
		next.namespace, next.name = inv.namespace(namespace), strings.Clone(name)
	}
	next.attachment = &attachment{addrs: normaliseAll(addrs)}
	inv.replace(old, next)
}

// Detach says that the Pod is no longer on this node. If its object still
// exists, the addresses of the object count again.
func (inv *Inventory) Detach(namespace, name string) {
	old, there := inv.pods.Get(podKey{namespace, name})
	if !there || old.attachment == nil {
		return
	}
	inv.published = nil
	if !old.known || old.deleted {
		inv.replace(old, nil)
		return
	}
	next := *old
	next.attachment = nil
	inv.replace(old, &next)
}

// replace puts next in the place of old; either may be nil. It takes over what
// next shares with old and lets go of what it does not.
func (inv *Inventory) replace(old, next *pod) {
	if next != nil {
		next.class = nil
		if next.known && len(next.claims()) > 0 {
			next.class = inv.classOf(next)
			inv.enter(next.class, next.attachment != nil)
		}
		if old == nil {
			next.namespace.pods++
		}
		inv.pods.Set(next.key(), next)
	} else {
		inv.pods.Delete(old.key())
	}

	inv.moveClaims(old, next)

	if old == nil {
		return
	}
	if old.class != nil {
		inv.leave(old.class, old.attachment != nil)
	}
	if next == nil || !sameSlice(old.labels, next.labels) {
		inv.forgetAll(old.labels)
	}
	if next == nil || !sameSlice(old.ports, next.ports) {
		inv.forgetPorts(old.ports)
	}
	if next == nil {
		old.namespace.pods--
		inv.forgetNamespace(old.namespace)
	}
}

// says tells whether the object brings nothing new.
func (p *pod) says(object *Pod) bool {
	return p.known && !p.deleted && p.identity == fnv64(object.UID) &&
		p.hostNetwork == object.HostNetwork && p.finished == object.Finished && p.node.Value() == object.Node &&
		sameLabels(p.labels, object.Labels) && samePorts(p.ports, object.Ports) && sameAddrs(p.listed, object.Addresses)
}

// sameSlice tells whether both are the very same slice.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func comparePorts(a, b NamedPort) int {
	return cmp.Or(compareStrings(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Number, b.Number))
}

// samePorts compares the kept ports (sorted, without duplicates) with those of
// an object.
func samePorts(kept, ports []NamedPort) bool {
	if len(ports) == 0 {
		return len(kept) == 0
	}
	if slices.Equal(kept, ports) {
		return true
	}
	return slices.Equal(kept, sortedPorts(ports))
}

func sortedPorts(ports []NamedPort) []NamedPort {
	sorted := slices.Clone(ports)
	sorted = slices.DeleteFunc(sorted, func(p NamedPort) bool { return p.Name == "" })
	slices.SortFunc(sorted, comparePorts)
	return slices.Clip(slices.Compact(sorted))
}
