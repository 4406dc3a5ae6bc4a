package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
)

// At is the ServicePort that answers at an address, if any does.
func (m *Model) At(protocol abi.Protocol, address netip.AddrPort) (datapath.ServicePort, bool) {
	holder := m.claims.holder(claimed{protocol, address})
	if holder == nil {
		return datapath.ServicePort{}, false
	}
	for _, p := range m.compiled[holder.name].ports {
		if p.Protocol == protocol && slices.ContainsFunc(p.Frontends, func(f datapath.Frontend) bool { return f.Address == address }) {
			return p, true
		}
	}
	return datapath.ServicePort{}, false
}

// Reached is where a port of a Service is reached by a cluster IP.
type Reached struct {
	Address  netip.AddrPort
	Protocol abi.Protocol
	Port     string // its name, or its number if it has none
}

// ClusterIPs are the cluster IPs of a Service with each of its ports, IPv4 first.
// The error says why there are none.
func (m *Model) ClusterIPs(namespace, name string) ([]Reached, error) {
	s := m.services[objectName{namespace, name}]
	if s == nil {
		return nil, fmt.Errorf("there is no Service %s/%s", namespace, name)
	}
	if s.left != "" {
		return nil, fmt.Errorf("Service %s/%s is left alone (%s): ask about an address", namespace, name, s.left)
	}
	var out []Reached
	for _, a := range s.addresses {
		for _, p := range s.ports {
			if a.kind == clusterIP {
				out = append(out, Reached{netip.AddrPortFrom(a.ip, p.number), p.protocol, p.title()})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Reached) int { return cmp.Compare(a.Address.Addr().BitLen(), b.Address.Addr().BitLen()) })
	return out, nil
}
