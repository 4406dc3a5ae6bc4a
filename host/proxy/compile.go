package proxy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/sluice-net/sluice/host/datapath"
)

// compiled is what a Service comes to.
type compiled struct {
	ports    []datapath.ServicePort
	problems []Problem
}

// compile works out a Service from nothing.
func (m *Model) compile(s *service) compiled {
	var c compiled
	if s.left != "" {
		return c
	}
	for _, v6 := range []bool{false, true} {
		for i := range s.ports {
			if s.hasFamily(v6) {
				c.ports = append(c.ports, m.compilePort(s, &s.ports[i], v6)...)
			}
		}
	}
	c.problems = append(m.lost(s), s.problems...)
	for _, name := range slices.Sorted(maps.Keys(m.slices[s.name])) {
		c.problems = append(c.problems, m.slices[s.name][name].problems...)
	}
	return c
}

// compilePort makes one ServicePort of a port in one family, or two: with the
// internal traffic policy Local the cluster IP has other backends than the
// external addresses.
//
// The external traffic policy does not matter: "Treat all locally-originated pod
// -> external destination traffic as a special-case. It is subject to neither form
// of traffic policy, which simulates going up-and-out to an external
// load-balancer and coming back in" (pkg/proxy/nftables/proxier.go).
func (m *Model) compilePort(s *service, p *servicePort, v6 bool) []datapath.ServicePort {
	c := choose(m.candidates(s, p, v6), m.here())
	whole := datapath.ServicePort{Name: portName(s, p, v6), Protocol: p.protocol, Affinity: s.affinity, Backends: c.cluster}
	local := whole
	local.Name, local.Backends = whole.Name+localSuffix, c.local
	if c.any {
		// "The internalTrafficPolicy is 'Local' but there are no local endpoints.
		// Traffic to the clusterIP will be dropped" (the same).
		local.WhenEmpty = datapath.DropWhenEmpty
	}
	for _, a := range s.addresses {
		at := claimed{p.protocol, netip.AddrPortFrom(a.ip, p.number)}
		if a.ip.Is6() != v6 || m.claims.holder(at) != s {
			continue
		}
		f := datapath.Frontend{Address: at.address}
		if a.kind == loadBalancerIP {
			f.Sources = s.sourcesOf(v6)
		}
		if a.kind == clusterIP && s.local {
			local.Frontends = append(local.Frontends, f)
		} else {
			whole.Frontends = append(whole.Frontends, f)
		}
	}
	return slices.DeleteFunc([]datapath.ServicePort{whole, local}, func(p datapath.ServicePort) bool { return len(p.Frontends) == 0 })
}

// localSuffix tells the ServicePort of a cluster IP with the internal traffic
// policy Local from that of the same port's external addresses.
const localSuffix = "/local"

func portName(s *service, p *servicePort, v6 bool) string {
	return fmt.Sprintf("%s:%s/%s/%s", s.name, p.title(), protocolName(p.protocol), familyName(v6))
}

// title is the port's name, or its number where it needs none.
func (p *servicePort) title() string {
	if p.name != "" {
		return p.name
	}
	return strconv.Itoa(int(p.number))
}

func (m *Model) here() place { return place{m.node, m.zone} }

// candidates are all endpoints of a port in one family, in the order of addresses.
func (m *Model) candidates(s *service, p *servicePort, v6 bool) []candidate {
	own := m.slices[s.name]
	if len(own) == 0 && m.selected != nil {
		return unite(m.selected.candidates(s, p, v6))
	}
	var all []candidate
	for _, name := range slices.Sorted(maps.Keys(own)) {
		slice := own[name]
		if slice.v6 != v6 {
			continue
		}
		for _, port := range slice.ports {
			if port.name != p.name || port.protocol != p.protocol {
				continue
			}
			for _, e := range slice.endpoints {
				all = append(all, candidate{netip.AddrPortFrom(e.ip, port.number), e})
			}
		}
	}
	return unite(all)
}

// lost names the addresses at which another Service is served.
func (m *Model) lost(s *service) []Problem {
	c := &complaints{object: "Service " + s.name.String()}
	for _, a := range s.addresses {
		for _, p := range s.ports {
			at := claimed{p.protocol, netip.AddrPortFrom(a.ip, p.number)}
			holder := m.claims.holder(at)
			if holder == s {
				continue
			}
			why := "which is older"
			if m.claims[at][0].kind == clusterIP && a.kind != clusterIP {
				why = "whose ClusterIP it is"
			}
			c.add(a.field, "%s/%s belongs to Service %s, %s: give this one another address or port", at.address, protocolName(p.protocol), holder.name, why)
		}
	}
	return c.all
}
