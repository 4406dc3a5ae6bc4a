package proxy

import (
	"net/netip"
	"slices"
	"unique"
)

// candidate is an endpoint with the port that a port of a Service leads to.
type candidate struct {
	address netip.AddrPort
	endpoint
}

// chosen is which candidates answer a Pod of this node.
type chosen struct {
	cluster []netip.AddrPort // by the traffic policy Cluster
	local   []netip.AddrPort // by the traffic policy Local
	any     bool             // there are some, wherever
}

// place is where this node is.
type place struct{ node, zone unique.Handle[string] }

// choose is what kube-proxy does in CategorizeEndpoints (pkg/proxy/topology.go):
// the ready ones, of these those that are meant for this place; where none is
// ready, those that end but still serve.
func choose(candidates []candidate, here place) chosen {
	var c chosen
	topology := topologyOf(candidates, here)
	c.cluster = addressesOf(candidates, func(e *endpoint) bool { return e.ready && topology.admits(e, here) })
	// "We would already have chosen to ignore topology if there were no ready
	// endpoints for the given topology, so the problem at this point must be
	// that there are no ready endpoints anywhere."
	if len(c.cluster) == 0 {
		c.cluster = addressesOf(candidates, (*endpoint).lingers)
	}
	c.any = len(c.cluster) > 0
	// The traffic policy Local does not look at topology.
	c.local = addressesOf(candidates, func(e *endpoint) bool { return e.isOn(here) && e.ready })
	if len(c.local) == 0 {
		c.local = addressesOf(candidates, func(e *endpoint) bool { return e.isOn(here) && e.lingers() })
	}
	return c
}

// lingers: it is about to end, and answers until then.
func (e *endpoint) lingers() bool { return !e.ready && e.serving && e.terminating }

func (e *endpoint) isOn(here place) bool { return e.node == here.node && here.node.Value() != "" }

func addressesOf(candidates []candidate, which func(*endpoint) bool) []netip.AddrPort {
	var out []netip.AddrPort
	for i := range candidates {
		if which(&candidates[i].endpoint) {
			out = append(out, candidates[i].address)
		}
	}
	return out
}

// topology says which hints are honoured.
type topology uint8

const (
	anywhere topology = iota
	sameNode
	sameZone
)

// topologyOf is sameNode or sameZone if every ready endpoint has such a hint, and
// one of them is for here: hints that leave this node without an endpoint, and
// those that a controller has not yet written everywhere, are ignored. The node
// is looked at first.
func topologyOf(candidates []candidate, here place) topology {
	ready, forNode, allNode, forZone, allZone := false, false, true, false, true
	for i := range candidates {
		e := &candidates[i].endpoint
		if !e.ready {
			continue
		}
		ready = true
		forNode, forZone = forNode || e.isFor(sameNode, here), forZone || e.isFor(sameZone, here)
		allNode = allNode && e.hints != nil && len(e.hints.nodes) > 0
		allZone = allZone && e.hints != nil && len(e.hints.zones) > 0
	}
	switch {
	case ready && allNode && forNode:
		return sameNode
	case ready && allZone && forZone:
		return sameZone
	}
	return anywhere
}

func (t topology) admits(e *endpoint, here place) bool { return t == anywhere || e.isFor(t, here) }

func (e *endpoint) isFor(t topology, here place) bool {
	switch {
	case e.hints == nil:
		return false
	case t == sameNode:
		return slices.Contains(e.hints.nodes, here.node)
	default:
		return slices.Contains(e.hints.zones, here.zone)
	}
}

// unite sorts candidates by address and makes one of those with the same.
// "There maybe also be two *different* Endpoints [...] that point to the same IP,
// if the pod network reuses the IP from a terminating pod before the Pod object
// is fully deleted. In this case we want to prefer the running pod over the
// terminating one" (pkg/proxy/endpointslicecache.go).
func unite(candidates []candidate) []candidate {
	slices.SortStableFunc(candidates, func(a, b candidate) int { return a.address.Compare(b.address) })
	out := candidates[:0]
	for _, c := range candidates {
		last := len(out) - 1
		switch {
		case last < 0 || out[last].address != c.address:
			out = append(out, c)
		case !c.terminating:
			out[last] = c
		}
	}
	return out
}
