package proxy

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Service is a Service as people look at it.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// LeftAlone says to whom or why the Service is left; empty: it is served here.
	LeftAlone string    `json:"leftAlone,omitempty"`
	Ports     []Port    `json:"ports,omitempty"` // by family and in the order of the object
	Problems  []Problem `json:"problems,omitempty"`
}

// Port is one port of a Service in one family.
type Port struct {
	Name      string     `json:"name"` // the port's own, or its number
	Protocol  string     `json:"protocol"`
	Family    string     `json:"family"`
	Number    uint16     `json:"port"`
	Frontends []Frontend `json:"frontends"`
	Endpoints []Endpoint `json:"endpoints"` // all there are, by address
	// AffinitySeconds is the time-out of the session affinity; 0: none.
	AffinitySeconds int `json:"affinitySeconds,omitempty"`
}

// Frontend is where a Pod of this node reaches the port.
type Frontend struct {
	Address string `json:"address"` // with the port
	Kind    string `json:"kind"`    // ClusterIP, ExternalIP, LoadBalancer
	// Local: its backends are those of this node alone.
	Local bool `json:"local,omitempty"`
	// Sources are who may use it; null: anybody.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// ServedFor names the Service that has the address, if it is another one.
	ServedFor string `json:"servedFor,omitempty"`
}

// Endpoint is one of a port.
type Endpoint struct {
	Address string `json:"address"` // with the port
	Node    string `json:"node,omitempty"`
	State   string `json:"state"` // ready, terminating (and still serving), not ready
	// Used says for which frontends: all, cluster, local, none.
	Used string `json:"used"`
}

// Services are all that the Model knows, by namespace and name.
func (m *Model) Services() []Service {
	out := make([]Service, 0, len(m.services))
	for _, name := range slices.SortedFunc(maps.Keys(m.services), objectName.compare) {
		out = append(out, m.showService(m.services[name]))
	}
	return out
}

// Service is one of them.
func (m *Model) Service(namespace, name string) (Service, bool) {
	s := m.services[objectName{namespace, name}]
	if s == nil {
		return Service{}, false
	}
	return m.showService(s), true
}

func (m *Model) showService(s *service) Service {
	shown := Service{Namespace: s.name.namespace, Name: s.name.name, LeftAlone: s.left, Problems: slices.Clip(m.compiled[s.name].problems)}
	for _, v6 := range []bool{false, true} {
		if !s.hasFamily(v6) {
			continue
		}
		for i := range s.ports {
			shown.Ports = append(shown.Ports, m.show(s, &s.ports[i], v6))
		}
	}
	return shown
}

func (m *Model) show(s *service, p *servicePort, v6 bool) Port {
	out := Port{
		Name: p.title(), Protocol: protocolName(p.protocol), Family: familyName(v6), Number: p.number,
		Frontends: []Frontend{}, Endpoints: []Endpoint{}, AffinitySeconds: int(s.affinity / time.Second),
	}
	for _, a := range s.addresses {
		if a.ip.Is6() != v6 {
			continue
		}
		at := claimed{p.protocol, netip.AddrPortFrom(a.ip, p.number)}
		f := Frontend{Address: at.address.String(), Kind: a.kind.String(), Local: a.kind == clusterIP && s.local}
		if a.kind == loadBalancerIP {
			f.Sources = s.sourcesOf(v6)
		}
		if holder := m.claims.holder(at); holder != s {
			f.ServedFor = holder.name.String()
		}
		out.Frontends = append(out.Frontends, f)
	}
	candidates := m.candidates(s, p, v6)
	c := choose(candidates, m.here())
	for i := range candidates {
		e := &candidates[i]
		cluster, local := slices.Contains(c.cluster, e.address), slices.Contains(c.local, e.address)
		out.Endpoints = append(out.Endpoints, Endpoint{
			Address: e.address.String(), Node: e.node.Value(), State: e.state(), Used: used(cluster, local, out.Frontends),
		})
	}
	return out
}

func (e *endpoint) state() string {
	switch {
	case e.ready:
		return "ready"
	case e.lingers():
		return "terminating"
	}
	return "not ready"
}

// used says which of the frontends an endpoint is for.
func used(cluster, local bool, frontends []Frontend) string {
	forLocal := slices.ContainsFunc(frontends, func(f Frontend) bool { return f.Local })
	forCluster := slices.ContainsFunc(frontends, func(f Frontend) bool { return !f.Local })
	cluster, local = cluster && forCluster, local && forLocal
	switch {
	case cluster == forCluster && local == forLocal:
		return "all"
	case cluster:
		return "cluster"
	case local:
		return "local"
	}
	return "none"
}
