package lab

import (
	"fmt"
	"net/netip"
	"strings"
)

// end is one end of probes and streams.
type end struct {
	name      string
	ns        *namespace
	addresses []netip.Addr
}

// hostName is how a node is called as an end of probes.
func (l *Lab) hostName(n *node) string {
	if len(l.plan.Nodes) == 1 {
		return Host
	}
	return Host + ":" + n.plan.Name
}

// ends are all ends: the Pods in order, the hosts, the external host.
func (l *Lab) ends() []end {
	all := make([]end, 0, len(l.pods)+len(l.nodes)+1)
	for _, p := range l.pods {
		all = append(all, end{p.plan.Key(), p.ns, p.plan.Addresses})
	}
	for _, n := range l.nodes {
		all = append(all, end{l.hostName(n), n.ns, n.plan.Addresses})
	}
	return append(all, end{External, l.fabric.external, l.plan.External})
}

func (l *Lab) end(name string) (end, error) {
	if node, ok := strings.CutPrefix(name, Host+":"); ok && len(l.nodes) == 1 && node == l.nodes[0].plan.Name {
		name = Host
	}
	for _, one := range l.ends() {
		if one.name == name {
			return one, nil
		}
	}
	return end{}, fmt.Errorf("%q is neither a Pod of the lab (namespace/name), nor %q (with several nodes %q), nor %q",
		name, Host, Host+":NODE", External)
}

// Probes lists every probe that the lab can make: from every end to every port
// of every other on which somebody listens, in each address family that both
// have, and from every Pod to itself; and from every Pod to every Service.
func (l *Lab) Probes() []ProbeSpec {
	l.listening.Lock()
	listeners := append([]*listener(nil), l.listening.all...)
	l.listening.Unlock()
	var specs []ProbeSpec
	ends := l.ends()
	for _, from := range ends {
		for _, to := range ends {
			if from.name == to.name && l.pod(to.name) == nil {
				continue
			}
			for _, s := range listeners {
				if s.owner == to.name && from.speaks(s.address) {
					specs = append(specs, ProbeSpec{from.name, to.name, s.address, s.port.Protocol, s.port.Number})
				}
			}
		}
	}
	return append(specs, l.serviceProbes()...)
}

// speaks tells whether the end has an address of this one's family.
func (e end) speaks(other netip.Addr) bool {
	for _, address := range e.addresses {
		if address.Is4() == other.Is4() {
			return true
		}
	}
	return false
}
