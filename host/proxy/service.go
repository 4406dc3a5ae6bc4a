package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
)

// service is what counts of a Service.
type service struct {
	name    objectName
	created time.Time
	left    string // why it is left to somebody else; empty: served here
	ports   []servicePort
	// addresses are where it is reached, in both families, each once.
	addresses []address
	sources   []netip.Prefix // who may use the load balancer addresses
	walled    bool           // sources were given, also where none is left of them
	local     bool           // internalTrafficPolicy Local
	affinity  time.Duration  // 0: none
	selector  map[string]string
	// For endpoints from Pods.
	publishNotReady bool
	distribution    string
	problems        []Problem
}

type servicePort struct {
	name     string
	protocol abi.Protocol
	number   uint16
	target   intstr.IntOrString // for endpoints from Pods
}

// address is one at which a Service is reached.
type address struct {
	ip    netip.Addr
	kind  addressKind
	field string // where it stands in the object
}

// addressKind says on whose word an address belongs to a Service. Cluster IPs
// are allotted by the API server; the others anybody may write who may write a
// Service. So cluster IPs win where they meet.
type addressKind uint8

const (
	clusterIP addressKind = iota
	externalIP
	loadBalancerIP
)

func (k addressKind) String() string {
	return [...]string{"ClusterIP", "ExternalIP", "LoadBalancer"}[k]
}

// The label by which a Service is left to another proxy, as kube-proxy reads it
// and as it is written by mistake.
const (
	proxyNameLabel      = "service.kubernetes.io/service-proxy-name"
	proxyNameShortLabel = "kubernetes.io/service-proxy-name"
)

func newService(name objectName, object *corev1.Service) *service {
	s := &service{name: name, created: object.CreationTimestamp.Time, left: leftTo(object)}
	if s.left != "" {
		return s
	}
	spec := &object.Spec
	c := &complaints{object: "Service " + name.String()}
	s.local = spec.InternalTrafficPolicy != nil && *spec.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyLocal
	s.readAffinity(spec, c)
	s.selector, s.publishNotReady = spec.Selector, spec.PublishNotReadyAddresses
	if spec.TrafficDistribution != nil {
		s.distribution = *spec.TrafficDistribution
	}
	s.readPorts(spec, c)
	s.readSources(spec, c)
	s.readAddresses(object, c)
	s.problems = c.all
	return s
}

// leftTo says to whom a Service is left, if not to us.
func leftTo(object *corev1.Service) string {
	for _, label := range []string{proxyNameLabel, proxyNameShortLabel} {
		// "An alternative service proxy will implement this Service"
		// (pkg/proxy/apis), whatever the value: kube-proxy asks whether it exists.
		if proxy, labelled := object.Labels[label]; labelled {
			return fmt.Sprintf("label %s=%s", label, proxy)
		}
	}
	switch {
	case object.Spec.Type == corev1.ServiceTypeExternalName:
		return "ExternalName"
	case object.Spec.ClusterIP == corev1.ClusterIPNone:
		return "headless"
	case object.Spec.ClusterIP == "":
		return "no ClusterIP yet"
	}
	return ""
}

func (s *service) readAffinity(spec *corev1.ServiceSpec, c *complaints) {
	if spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return
	}
	seconds := corev1.DefaultClientIPServiceAffinitySeconds
	if config := spec.SessionAffinityConfig; config != nil && config.ClientIP != nil && config.ClientIP.TimeoutSeconds != nil {
		seconds = *config.ClientIP.TimeoutSeconds
	}
	const field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
	if seconds <= 0 {
		c.add(field, "%d is no time-out: it is taken for %d, the default", seconds, corev1.DefaultClientIPServiceAffinitySeconds)
		seconds = corev1.DefaultClientIPServiceAffinitySeconds
	}
	s.affinity = time.Duration(seconds) * time.Second
	if s.affinity > datapath.MaxAffinity {
		c.add(field, "%d is longer than the switch remembers a client: it is forgotten after %.0f s",
			seconds, datapath.MaxAffinity.Seconds())
		s.affinity = datapath.MaxAffinity
	}
}

func (s *service) readPorts(spec *corev1.ServiceSpec, c *complaints) {
	for i := range spec.Ports {
		port, at := &spec.Ports[i], fmt.Sprintf("spec.ports[%d]", i)
		protocol, known := parseProtocol(port.Protocol)
		switch {
		case !known:
			c.add(at+".protocol", "%q is none of TCP, UDP and SCTP: the port is not served", port.Protocol)
			continue
		case port.Port < 1 || port.Port > 65535:
			c.add(at+".port", "%d is no port: write one from 1 to 65535", port.Port)
			continue
		}
		p := servicePort{port.Name, protocol, uint16(port.Port), port.TargetPort}
		if slices.ContainsFunc(s.ports, func(o servicePort) bool { return o.protocol == p.protocol && o.number == p.number }) {
			c.add(at+".port", "%d/%s is given twice: the first one is served, remove this one", p.number, protocolName(p.protocol))
			continue
		}
		if slices.ContainsFunc(s.ports, func(o servicePort) bool { return o.protocol == p.protocol && o.name == p.name }) {
			c.add(at+".name", "%q is given twice: the first one is served, give this one another name", p.name)
			continue
		}
		s.ports = append(s.ports, p)
	}
}

func (s *service) readSources(spec *corev1.ServiceSpec, c *complaints) {
	for i, text := range spec.LoadBalancerSourceRanges {
		// "LoadBalancerSourceRanges validation mistakenly allows whitespace
		// padding" (pkg/proxy/serviceport.go).
		prefix, ok := parsePrefix(strings.TrimSpace(text))
		if !ok {
			c.add(fmt.Sprintf("spec.loadBalancerSourceRanges[%d]", i), "%q is no CIDR, and lets nobody in: write one, such as 10.0.0.0/8", text)
			s.walled = true
			continue
		}
		s.sources = append(s.sources, prefix)
	}
}

func (s *service) readAddresses(object *corev1.Service, c *complaints) {
	spec := &object.Spec
	texts, at := spec.ClusterIPs, "spec.clusterIPs[%d]"
	if len(texts) == 0 {
		texts, at = []string{spec.ClusterIP}, "spec.clusterIP"
	}
	for i, text := range texts {
		field := at
		if strings.Contains(at, "%") {
			field = fmt.Sprintf(at, i)
		}
		ip, ok := parseAddress(text)
		switch {
		case !ok || !isHost(ip):
			c.add(field, "%q is not the IP address of one host: it is not served", text)
			continue
		case s.hasFamily(ip.Is6()):
			c.add(field, "%s is a second %s address: the first one is served", text, familyName(ip.Is6()))
			continue
		case i < len(spec.IPFamilies) && string(spec.IPFamilies[i]) != familyName(ip.Is6()):
			c.add(field, "%s is not of the family %s that spec.ipFamilies[%d] says: it is not served", text, spec.IPFamilies[i], i)
			continue
		}
		s.addresses = append(s.addresses, address{ip, clusterIP, field})
	}
	for i, text := range spec.ExternalIPs {
		s.readExternal(strings.TrimSpace(text), externalIP, fmt.Sprintf("spec.externalIPs[%d]", i), c)
	}
	for i, ingress := range object.Status.LoadBalancer.Ingress {
		// "Setting this to 'Proxy' indicates that traffic is delivered to the node
		// or pod with the destination set to the node's IP [...] or the pod's IP"
		// (core/v1, LoadBalancerIngress.ipMode): such a load balancer must see its
		// traffic, from Pods too. Unset means VIP.
		if ingress.IPMode != nil && *ingress.IPMode != corev1.LoadBalancerIPModeVIP {
			continue
		}
		s.readExternal(ingress.IP, loadBalancerIP, fmt.Sprintf("status.loadBalancer.ingress[%d].ip", i), c)
	}
}

// readExternal takes an external IP or a load balancer's. kube-proxy serves those
// of a family in which the Service has a cluster IP.
func (s *service) readExternal(text string, kind addressKind, field string, c *complaints) {
	if text == "" {
		return
	}
	ip, ok := parseAddress(text)
	if !ok || !isHost(ip) {
		c.add(field, "%q is not the IP address of one host: it is not served", text)
		return
	}
	if !s.hasFamily(ip.Is6()) {
		c.add(field, "%s is %s and the Service has no ClusterIP of that family: it is not served; make the Service dual-stack or remove it", text, familyName(ip.Is6()))
		return
	}
	i := slices.IndexFunc(s.addresses, func(a address) bool { return a.ip == ip })
	switch {
	case i < 0:
		s.addresses = append(s.addresses, address{ip, kind, field})
	case s.addresses[i].kind == externalIP && kind == loadBalancerIP:
		s.addresses[i].kind = kind // given as both: the source ranges hold
	}
}

func (s *service) hasFamily(v6 bool) bool {
	return slices.ContainsFunc(s.addresses, func(a address) bool { return a.kind == clusterIP && a.ip.Is6() == v6 })
}

// sourcesOf is who may use a load balancer's address of a family; nil: anybody.
func (s *service) sourcesOf(v6 bool) []netip.Prefix {
	var own []netip.Prefix
	for _, p := range s.sources {
		if p.Addr().Is6() != v6 {
			continue
		}
		// "zero-masked cidr means 'allow any', which same as the empty
		// loadBalancerSourceRanges" (pkg/proxy/serviceport.go).
		if p.Bits() == 0 {
			return nil
		}
		own = append(own, p)
	}
	if len(own) == 0 && s.walled {
		return []netip.Prefix{}
	}
	return own
}
