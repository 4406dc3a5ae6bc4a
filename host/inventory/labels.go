package inventory

import (
	"slices"
	"strings"
)

// labelKey is a label key that a Pod carries or an acquired set mentions.
type labelKey struct {
	name    string
	values  map[string]*label
	live    int  // requirements of acquired sets that mention it
	settled bool // whether classes are told apart by it now
	pods    int  // Pods that carry it
	bucket  bucket
}

// label is one key with one value. Each pair exists once, so that pairs
// compare by address; its text is never changed, so readers may hold it.
type label struct {
	key   *labelKey
	value string
	refs  int32 // Pods, and requirements of acquired sets
	pods  int32
	index *labelIndex // nil: no class is told apart by it, no set is found through it
}

type labelIndex struct {
	classes map[*class]struct{}
	bucket  bucket
}

func (l *label) indexed() *labelIndex {
	if l.index == nil {
		l.index = &labelIndex{classes: make(map[*class]struct{})}
	}
	return l.index
}

func (l *label) classes() map[*class]struct{} {
	if l.index == nil {
		return nil
	}
	return l.index.classes
}

// key returns the record of a key, made if need be.
func (inv *Inventory) key(name string) *labelKey {
	k := inv.keys[name]
	if k == nil {
		name = strings.Clone(name)
		k = &labelKey{name: name, values: make(map[string]*label, 1)}
		inv.keys[name] = k
	}
	return k
}

func (inv *Inventory) forgetKey(k *labelKey) {
	if len(k.values) == 0 && k.live == 0 && !k.settled {
		delete(inv.keys, k.name)
	}
}

// intern returns the record of a pair, counted once more.
func (inv *Inventory) intern(key, value string) *label {
	k := inv.key(key)
	l := k.values[value]
	if l == nil {
		value = strings.Clone(value)
		l = &label{key: k, value: value}
		k.values[value] = l
	}
	l.refs++
	return l
}

func (inv *Inventory) forget(l *label) {
	if l.refs--; l.refs == 0 {
		delete(l.key.values, l.value)
		inv.forgetKey(l.key)
	}
}

// internAll returns the labels of a Pod, ordered by key, counted.
func (inv *Inventory) internAll(labels map[string]string) []*label {
	if len(labels) == 0 {
		return nil
	}
	all := make([]*label, 0, len(labels))
	for key, value := range labels {
		l := inv.intern(key, value)
		l.pods++
		l.key.pods++
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *label) int { return compareStrings(a.key.name, b.key.name) })
	return all
}

func (inv *Inventory) forgetAll(labels []*label) {
	for _, l := range labels {
		l.pods--
		l.key.pods--
		inv.forget(l)
	}
}

// sameLabels tells whether the interned labels are exactly those of the map.
func sameLabels(interned []*label, labels map[string]string) bool {
	if len(interned) != len(labels) {
		return false
	}
	for _, l := range interned {
		if value, there := labels[l.key.name]; !there || value != l.value {
			return false
		}
	}
	return true
}

// mention makes a key live once more.
func (inv *Inventory) mention(k *labelKey) {
	k.live++
	inv.noteKey(k)
}

func (inv *Inventory) unmention(k *labelKey) {
	k.live--
	inv.noteKey(k)
	inv.forgetKey(k)
}

// noteKey remembers a key by which classes must be told apart from the next
// settle on, or no longer; at once if no Pod carries it. Until then classes
// are made as before, so that each Pod is looked at once for all of them.
func (inv *Inventory) noteKey(k *labelKey) {
	if k.pods == 0 {
		k.settled = k.live > 0
	}
	if (k.live > 0) == k.settled {
		delete(inv.restless, k)
	} else {
		inv.restless[k] = struct{}{}
	}
}
