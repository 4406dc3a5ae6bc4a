package inventory

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// class is all Pods with one key: the namespace, the labels restricted to settled
// keys, the named ports restricted to acquired names.
type class struct {
	id        ClassID
	key       string // canonical text
	namespace *namespace
	labels    []*label // ordered by key
	ports     []NamedPort
	pods      int
	local     int
	sets      []*set
}

// classOf returns the class of the Pod, made and made a member of its sets if
// there is none yet. The caller enters it.
func (inv *Inventory) classOf(p *pod) *class {
	inv.scratch = inv.classKey(inv.scratch[:0], p)
	if c := inv.byKey[string(inv.scratch)]; c != nil {
		return c
	}
	c := &class{key: string(inv.scratch), namespace: p.namespace, ports: inv.tellingPorts(p.ports)}
	for _, l := range p.labels {
		if l.key.settled {
			c.labels = append(c.labels, l)
		}
	}
	c.id = ClassID(freeID(c.key, func(id uint32) bool { return inv.classes[ClassID(id)] != nil }))
	inv.byKey[c.key] = c
	inv.journal.class(c.id, nil)
	inv.classes[c.id] = c
	c.namespace.classes[c] = struct{}{}
	for _, l := range c.labels {
		l.indexed().classes[c] = struct{}{}
	}
	inv.eachCandidate(c, func(s *set) {
		if !s.has(c) && s.matches(c) {
			s.add(c, &inv.journal)
		}
	})
	return c
}

// classKey appends the canonical text of the Pod's class key. Each string is
// preceded by its length, so that no two keys have the same text.
func (inv *Inventory) classKey(b []byte, p *pod) []byte {
	b = appendText(b, p.namespace.name)
	for _, l := range p.labels {
		if l.key.settled {
			b = append(b, 'l')
			b = appendText(b, l.key.name)
			b = appendText(b, l.value)
		}
	}
	for _, port := range p.ports {
		if inv.portNames[port.Name].settled {
			b = append(b, 'p')
			b = appendText(b, port.Name)
			b = append(b, byte(port.Protocol))
			b = binary.BigEndian.AppendUint16(b, port.Number)
		}
	}
	return b
}

func (inv *Inventory) enter(c *class, local bool) {
	c.pods++
	if local {
		if c.local == 0 {
			inv.journal.class(c.id, c)
		}
		c.local++
	}
}

// leave takes a Pod out of the class, which dies with its last Pod.
func (inv *Inventory) leave(c *class, local bool) {
	c.pods--
	if local {
		if c.local == 1 {
			inv.journal.class(c.id, c)
		}
		c.local--
	}
	if c.pods > 0 {
		return
	}
	inv.journal.class(c.id, c)
	for _, s := range c.sets {
		s.remove(c, &inv.journal)
	}
	for _, l := range c.labels {
		delete(l.index.classes, c)
		l.unindex()
	}
	delete(c.namespace.classes, c)
	delete(inv.classes, c.id)
	delete(inv.byKey, c.key)
}

// unindex gives the index of a label back when nothing is in it.
func (l *label) unindex() {
	if l.index != nil && len(l.index.classes) == 0 && len(l.index.bucket.sets) == 0 {
		l.index = nil
	}
}

// reclassify gives each Pod that carries a key or a port name that became live
// or stopped being live its new class. It looks at each Pod once, however many
// keys changed.
func (inv *Inventory) reclassify() {
	if len(inv.restless) == 0 && len(inv.restlessPN) == 0 {
		return
	}
	var moving []*pod
	for _, p := range inv.pods.All() {
		if p.class != nil && inv.isRestless(p) {
			moving = append(moving, p)
		}
	}
	for k := range inv.restless {
		k.settled = k.live > 0
		inv.forgetKey(k)
	}
	clear(inv.restless)
	for n := range inv.restlessPN {
		n.settled = n.live > 0
		inv.forgetPortName(n)
	}
	clear(inv.restlessPN)
	for _, p := range moving {
		inv.published = nil
		next := *p
		inv.replace(p, &next)
	}
}

func (inv *Inventory) isRestless(p *pod) bool {
	return slices.ContainsFunc(p.labels, func(l *label) bool { return (l.key.live > 0) != l.key.settled }) ||
		slices.ContainsFunc(p.ports, func(port NamedPort) bool {
			n := inv.portNames[port.Name]
			return (n.live > 0) != n.settled
		})
}

// ClassIsLocal tells whether a Pod of the class is attached here.
func (inv *Inventory) ClassIsLocal(id ClassID) bool {
	inv.settle()
	c := inv.classes[id]
	return c != nil && c.local > 0
}

// ClassInfo says what the class is. False: there is no such class now.
func (inv *Inventory) ClassInfo(id ClassID) (ClassInfo, bool) {
	inv.settle()
	c := inv.classes[id]
	if c == nil {
		return ClassInfo{}, false
	}
	info := ClassInfo{
		Namespace: c.namespace.name,
		Labels:    make(map[string]string, len(c.labels)),
		Ports:     slices.Clone(c.ports),
		Pods:      c.pods,
		Local:     c.local,
	}
	for _, l := range c.labels {
		info.Labels[l.key.name] = l.value
	}
	return info, true
}

// ClassOf returns the class that the address is in now, 0 if it is in none.
func (inv *Inventory) ClassOf(addr netip.Addr) ClassID {
	inv.settle()
	p, _ := inv.owners.Get(normalise(addr))
	return p.classID()
}
