package proxy

import (
	"fmt"
	"net/netip"
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-net/sluice/abi"
)

// slice is what counts of an EndpointSlice.
type slice struct {
	v6        bool
	ports     []slicePort
	endpoints []endpoint
	problems  []Problem
}

type slicePort struct {
	name     string
	protocol abi.Protocol
	number   uint16
}

// endpoint is one of a Service. There may be hundreds of thousands, so it is
// small, and names are shared.
type endpoint struct {
	ip   netip.Addr
	node unique.Handle[string]
	// hints are nil for an endpoint without any.
	hints                       *hints
	ready, serving, terminating bool
}

// hints say for whom an endpoint is meant (EndpointHints).
type hints struct{ zones, nodes []unique.Handle[string] }

// newSlice reads an EndpointSlice, and says which Service it is of. It is nil if
// it is of none, or if kube-proxy passes it over: it does so for slices of
// headless Services, and for those of names.
func newSlice(object *discoveryv1.EndpointSlice) (objectName, *slice) {
	of := objectName{object.Namespace, object.Labels[discoveryv1.LabelServiceName]}
	_, headless := object.Labels[corev1.IsHeadlessService]
	if of.name == "" || headless {
		return of, nil
	}
	s := &slice{}
	switch object.AddressType {
	case discoveryv1.AddressTypeIPv4:
	case discoveryv1.AddressTypeIPv6:
		s.v6 = true
	default:
		return of, nil
	}
	c := &complaints{object: fmt.Sprintf("EndpointSlice %s/%s", object.Namespace, object.Name)}
	for i := range object.Ports {
		s.readPort(&object.Ports[i], fmt.Sprintf("ports[%d]", i), c)
	}
	s.endpoints = make([]endpoint, 0, len(object.Endpoints))
	for i := range object.Endpoints {
		s.readEndpoint(&object.Endpoints[i], i, c)
	}
	s.problems = c.all
	return of, s
}

func (s *slice) readPort(port *discoveryv1.EndpointPort, at string, c *complaints) {
	var protocol corev1.Protocol
	if port.Protocol != nil {
		protocol = *port.Protocol
	}
	p, known := parseProtocol(protocol)
	switch {
	case port.Name == nil:
		return // the API server never leaves it out, and kube-proxy passes it over
	case port.Port == nil:
		return // any port: there is none to translate to, and kube-proxy passes it over
	case !known:
		c.add(at+".protocol", "%q is none of TCP, UDP and SCTP: the port is passed over", protocol)
		return
	case *port.Port < 1 || *port.Port > 65535:
		c.add(at+".port", "%d is no port: the endpoints are not used for it; write one from 1 to 65535", *port.Port)
		return
	}
	for _, other := range s.ports {
		if other.name == *port.Name && other.protocol == p {
			c.add(at+".name", "%q is given twice: the first one counts", *port.Name)
			return
		}
	}
	s.ports = append(s.ports, slicePort{*port.Name, p, uint16(*port.Port)})
}

func (s *slice) readEndpoint(object *discoveryv1.Endpoint, i int, c *complaints) {
	if len(object.Addresses) == 0 {
		return
	}
	// "No semantics are defined for additional addresses beyond the first, and
	// kube-proxy does not look at them" (discovery/v1, Endpoint.addresses).
	ip, ok := parseAddress(object.Addresses[0])
	if !ok || !isHost(ip) {
		c.add(fmt.Sprintf("endpoints[%d].addresses[0]", i), "%q is not the IP address of one host: the endpoint is not used", object.Addresses[0])
		return
	}
	if ip.Is6() != s.v6 {
		c.add(fmt.Sprintf("endpoints[%d].addresses[0]", i), "%s is not of the family %s that addressType says: the endpoint is not used", ip, familyName(s.v6))
		return
	}
	e := endpoint{ip: ip, node: unique.Make("")}
	if object.NodeName != nil {
		e.node = unique.Make(*object.NodeName)
	}
	// "A nil value should be interpreted as 'true'" for ready and serving, as
	// "false" for terminating (discovery/v1, EndpointConditions).
	conditions := &object.Conditions
	e.ready = conditions.Ready == nil || *conditions.Ready
	e.serving = conditions.Serving == nil || *conditions.Serving
	e.terminating = conditions.Terminating != nil && *conditions.Terminating
	if h := object.Hints; h != nil && len(h.ForZones)+len(h.ForNodes) > 0 {
		e.hints = &hints{}
		for _, zone := range h.ForZones {
			e.hints.zones = append(e.hints.zones, unique.Make(zone.Name))
		}
		for _, node := range h.ForNodes {
			e.hints.nodes = append(e.hints.nodes, unique.Make(node.Name))
		}
	}
	s.endpoints = append(s.endpoints, e)
}
