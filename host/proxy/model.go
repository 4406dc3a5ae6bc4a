package proxy

import (
	"cmp"
	"maps"
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
)

// Options of a Model.
type Options struct {
	NodeName string // of this node: decides what is local
	// EndpointsFromPods computes endpoints of a Service with a selector and
	// without EndpointSlices from the Pods. It is for a source of objects that no
	// EndpointSlice controller looks at, such as a directory of manifests.
	EndpointsFromPods bool
}

// Model is all Services of the cluster as a Pod of this node sees them.
type Model struct {
	node     unique.Handle[string]
	zone     unique.Handle[string] // of this node; of "": unknown
	services map[objectName]*service
	slices   map[objectName]map[string]*slice // by Service, then by the slice's own name
	owner    map[objectName]objectName        // the Service of an EndpointSlice
	claims   claims
	selected *selected // nil: no endpoints from Pods
	dirty    map[objectName]struct{}
	compiled map[objectName]compiled
	counts   Counts
}

type objectName struct{ namespace, name string }

func (n objectName) String() string { return n.namespace + "/" + n.name }

func (n objectName) compare(o objectName) int {
	return cmp.Or(cmp.Compare(n.namespace, o.namespace), cmp.Compare(n.name, o.name))
}

// New makes a Model that knows nothing yet.
func New(o Options) *Model {
	m := &Model{
		node: unique.Make(o.NodeName), zone: unique.Make(""),
		services: map[objectName]*service{}, slices: map[objectName]map[string]*slice{}, owner: map[objectName]objectName{},
		claims: claims{}, dirty: map[objectName]struct{}{}, compiled: map[objectName]compiled{},
	}
	if o.EndpointsFromPods {
		m.selected = newSelected()
	}
	return m
}

// Apply takes objects in. What is no concern of Services is passed over.
func (m *Model) Apply(events []cluster.Event) {
	for _, e := range events {
		name := objectName{e.Namespace, e.Name}
		switch e.Resource {
		case cluster.Services:
			object, _ := e.Object.(*corev1.Service)
			m.putService(name, object)
		case cluster.EndpointSlices:
			object, _ := e.Object.(*discoveryv1.EndpointSlice)
			m.putSlice(name, object)
		case cluster.Nodes:
			object, _ := e.Object.(*corev1.Node)
			m.putNode(e.Name, object)
		case cluster.Pods:
			if m.selected != nil {
				object, _ := e.Pod()
				m.touch(m.selected.putPod(name, object)...)
			}
		}
	}
}

func (m *Model) touch(names ...objectName) {
	for _, name := range names {
		m.dirty[name] = struct{}{}
	}
}

// putService takes a Service in, nil: it is gone.
func (m *Model) putService(name objectName, object *corev1.Service) {
	m.touch(name)
	if old := m.services[name]; old != nil {
		m.touch(m.claims.drop(old)...)
		if m.selected != nil {
			m.selected.forget(old)
		}
		delete(m.services, name)
		m.counts.addService(old, -1)
	}
	if object == nil {
		return
	}
	s := newService(name, object)
	m.counts.addService(s, 1)
	m.services[name] = s
	m.touch(m.claims.add(s)...)
	if m.selected != nil {
		m.selected.remember(s)
	}
}

// putSlice takes an EndpointSlice in, nil: it is gone. It may have been moved to
// another Service.
func (m *Model) putSlice(name objectName, object *discoveryv1.EndpointSlice) {
	if of, known := m.owner[name]; known {
		m.touch(of)
		delete(m.owner, name)
		delete(m.slices[of], name.name)
		if len(m.slices[of]) == 0 {
			delete(m.slices, of)
		}
	}
	if object == nil {
		return
	}
	of, s := newSlice(object)
	if s == nil {
		return
	}
	m.touch(of)
	m.owner[name] = of
	if m.slices[of] == nil {
		m.slices[of] = map[string]*slice{}
	}
	m.slices[of][name.name] = s
}

// putNode follows the zone of this node, which endpoints may be hinted for, and
// what endpoints from Pods take from the nodes of these.
func (m *Model) putNode(name string, object *corev1.Node) {
	if m.selected != nil && m.selected.putNode(name, object) {
		m.touch(m.selected.services()...)
	}
	if name != m.node.Value() {
		return
	}
	zone := ""
	if object != nil {
		zone = object.Labels[corev1.LabelTopologyZone]
	}
	if handle := unique.Make(zone); handle != m.zone {
		m.zone = handle
		m.touch(slices.Collect(maps.Keys(m.services))...)
	}
}

// Changes are what leads from the ServicePorts of the Flush before to those of
// now. Deletes come first: an address may go from one port to another.
type Changes struct {
	Delete []string // names of ServicePorts, some of which may be put again
	Put    []datapath.ServicePort
}

// Flush says what the events since the last Flush have changed. Nobody may write
// to what the ServicePorts point to.
func (m *Model) Flush() Changes {
	var changes Changes
	for _, name := range slices.SortedFunc(maps.Keys(m.dirty), objectName.compare) {
		var next compiled
		if s := m.services[name]; s != nil {
			next = m.compile(s)
		}
		m.between(m.compiled[name].ports, next.ports, &changes)
		m.counts.add(m.compiled[name], -1)
		m.counts.add(next, 1)
		if m.services[name] == nil && len(next.problems) == 0 {
			delete(m.compiled, name)
		} else {
			m.compiled[name] = next
		}
	}
	clear(m.dirty)
	slices.Sort(changes.Delete)
	return changes
}

// between adds what leads from the ports of a Service to others. One that loses a
// frontend to another port is deleted first: it may be put there in this Flush.
func (m *Model) between(old, next []datapath.ServicePort, c *Changes) {
	for _, before := range old {
		i := slices.IndexFunc(next, func(p datapath.ServicePort) bool { return p.Name == before.Name })
		if i < 0 || m.losesFrontend(before, next[i]) {
			c.Delete = append(c.Delete, before.Name)
		}
	}
	for _, now := range next {
		i := slices.IndexFunc(old, func(p datapath.ServicePort) bool { return p.Name == now.Name })
		if i < 0 || !samePort(old[i], now) {
			c.Put = append(c.Put, now)
		}
	}
}

func (m *Model) losesFrontend(before, now datapath.ServicePort) bool {
	return slices.ContainsFunc(before.Frontends, func(f datapath.Frontend) bool {
		kept := slices.ContainsFunc(now.Frontends, func(g datapath.Frontend) bool { return f.Address == g.Address })
		return !kept && m.claims.holder(claimed{before.Protocol, f.Address}) != nil
	})
}

func samePort(a, b datapath.ServicePort) bool {
	return a.Protocol == b.Protocol && a.Affinity == b.Affinity && a.WhenEmpty == b.WhenEmpty &&
		slices.Equal(a.Backends, b.Backends) &&
		slices.EqualFunc(a.Frontends, b.Frontends, func(f, g datapath.Frontend) bool {
			return f.Address == g.Address && (f.Sources == nil) == (g.Sources == nil) && slices.Equal(f.Sources, g.Sources)
		})
}
