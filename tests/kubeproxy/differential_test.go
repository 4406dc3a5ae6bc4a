package kubeproxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/proxy"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	model "github.com/sluice-net/sluice/host/proxy"
)

const here = "here"

// reference is kube-proxy as far as it decides: its trackers of changes, its maps,
// and CategorizeEndpoints.
type reference struct {
	families map[corev1.IPFamily]*family
	services map[string]*corev1.Service
	zone     string
}

type family struct {
	services    *proxy.ServiceChangeTracker
	endpoints   *proxy.EndpointsChangeTracker
	servicePort proxy.ServicePortMap
	endpoint    proxy.EndpointsMap
}

func newReference() *reference {
	r := &reference{families: map[corev1.IPFamily]*family{}, services: map[string]*corev1.Service{}}
	for _, name := range []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol} {
		r.families[name] = &family{
			proxy.NewServiceChangeTracker(name, nil, nil), proxy.NewEndpointsChangeTracker(name, here, nil, nil),
			proxy.ServicePortMap{},
			proxy.EndpointsMap{},
		}
	}
	return r
}

// putService takes a change in. What kube-proxy's informers leave out, by label and
// by field selector (cmd/kube-proxy/app/server.go), never reaches its code.
func (r *reference) putService(name string, service *corev1.Service) {
	if service != nil {
		_, another := service.Labels["service.kubernetes.io/service-proxy-name"]
		if another || service.Spec.ClusterIP == corev1.ClusterIPNone {
			service = nil
		}
	}
	before := r.services[name]
	if service == nil {
		delete(r.services, name)
	} else {
		r.services[name] = service
	}
	for _, f := range r.families {
		f.services.Update(before, service)
	}
}

func (r *reference) putSlice(slice *discoveryv1.EndpointSlice, remove bool) {
	if _, headless := slice.Labels[corev1.IsHeadlessService]; headless {
		return
	}
	for _, f := range r.families {
		f.endpoints.EndpointSliceUpdate(slice, remove)
	}
}

// says is what a connection of a local Pod to each frontend comes to, one a line:
// "10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080 affinity=10800".
func (r *reference) says() []string {
	var lines []string
	for _, f := range r.families {
		f.servicePort.Update(f.services)
		f.endpoint.Update(f.endpoints)
		for name, port := range f.servicePort {
			cluster, local, _, any := proxy.CategorizeEndpoints(f.endpoint[name], port, here, map[string]string{corev1.LabelTopologyZone: r.zone})
			internal := cluster
			if port.InternalPolicyLocal() {
				internal = local
			}
			line := func(ip net.IP, endpoints []proxy.Endpoint, local bool, ranges []string) {
				lines = append(lines, show(net.JoinHostPort(ip.String(), strconv.Itoa(port.Port())), string(port.Protocol()), ranges, endpointsOf(endpoints), any && local, port.StickyMaxAgeSeconds()))
			}
			line(port.ClusterIP(), internal, port.InternalPolicyLocal(), nil)
			// A local Pod's traffic to external addresses is always given to the chain
			// of the cluster policy (pkg/proxy/nftables/proxier.go).
			for _, ip := range port.ExternalIPs() {
				line(ip, cluster, false, nil)
			}
			var ranges []string
			for _, cidr := range port.LoadBalancerSourceRanges() {
				ranges = append(ranges, cidr.String())
			}
			for _, ip := range port.LoadBalancerVIPs() {
				line(ip, cluster, false, ranges)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func endpointsOf(endpoints []proxy.Endpoint) []string {
	var out []string
	for _, e := range endpoints {
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}

func show(frontend, protocol string, ranges, backends []string, drop bool, affinity int) string {
	what := strings.Join(backends, " ")
	switch {
	case len(backends) > 0:
	case drop:
		what = "drop"
	default:
		what = "refuse"
	}
	return fmt.Sprintf("%s/%s from %v -> %s affinity=%d", frontend, protocol, ranges, what, affinity)
}

// candidate is the model, with what its changes have come to.
type candidate struct {
	*model.Model
	ports map[string]datapath.ServicePort
}

func (c *candidate) says() []string {
	changes := c.Flush()
	for _, name := range changes.Delete {
		delete(c.ports, name)
	}
	for _, p := range changes.Put {
		c.ports[p.Name] = p
	}
	var lines []string
	for _, p := range c.ports {
		var backends []string
		for _, b := range p.Backends {
			backends = append(backends, b.String())
		}
		slices.Sort(backends)
		protocol := strings.Split(p.Name, "/")[2]
		for _, f := range p.Frontends {
			var ranges []string
			for _, s := range f.Sources {
				ranges = append(ranges, s.String())
			}
			lines = append(lines, show(f.Address.String(), protocol, ranges, backends, p.WhenEmpty == datapath.DropWhenEmpty, int(p.Affinity.Seconds())))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestSameAsKubeProxy(t *testing.T) {
	klog.LogToStderr(false) // it tells of every odd object, and there are many
	klog.SetOutput(io.Discard)
	steps, ports := 0, 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 2))
		g := &generator{Rand: random}
		r := newReference()
		c := &candidate{model.New(model.Options{NodeName: here}), map[string]datapath.ServicePort{}}
		objects := map[string]cluster.Event{}
		for range 60 {
			e := g.object()
			key := e.Resource + e.Name
			old, there := objects[key]
			if there && random.IntN(4) == 0 {
				delete(objects, key)
				e = cluster.Event{Op: cluster.Delete, Resource: e.Resource, Namespace: e.Namespace, Name: e.Name}
			} else {
				objects[key] = e
			}
			c.Apply([]cluster.Event{e})
			switch e.Resource {
			case cluster.Services:
				service, _ := e.Object.(*corev1.Service)
				r.putService(e.Name, service)
			case cluster.EndpointSlices:
				// kube-proxy is told of a slice that moves to another Service, or that it
				// should no longer look at, as gone and come.
				if there {
					r.putSlice(old.Object.(*discoveryv1.EndpointSlice), true)
				}
				if slice, ok := e.Object.(*discoveryv1.EndpointSlice); ok {
					r.putSlice(slice, false)
				}
			case cluster.Nodes:
				r.zone = ""
				if node, ok := e.Object.(*corev1.Node); ok {
					r.zone = node.Labels[corev1.LabelTopologyZone]
				}
			}
			if random.IntN(3) == 0 {
				continue // several changes in one go
			}
			want, got := r.says(), c.says()
			if !slices.Equal(want, got) {
				t.Fatalf("seed %d, step %d: kube-proxy says\n%s\nand Sluice\n%s", seed, steps, strings.Join(want, "\n"), strings.Join(got, "\n"))
			}
			if problems := c.Problems(); len(problems) > 0 {
				t.Fatalf("seed %d: %v", seed, problems)
			}
			steps++
			ports += len(got)
		}
	}
	if ports < 5*steps {
		t.Errorf("%d frontends in %d steps: the test compares next to nothing", ports, steps)
	}
	t.Logf("%d states compared, %.1f frontends each", steps, float64(ports)/float64(steps))
}

// generator makes objects as an API server lets them pass: no address is claimed
// twice, and each is of the family that it should be.
type generator struct{ *rand.Rand }

func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func (g *generator) object() cluster.Event {
	switch n := g.IntN(20); {
	case n == 0:
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: here}}
		if !g.chance(4) {
			node.Labels = map[string]string{corev1.LabelTopologyZone: g.zone()}
		}
		return put(cluster.Nodes, node)
	case n < 8:
		return put(cluster.Services, g.service(g.IntN(4)))
	default:
		return put(cluster.EndpointSlices, g.slice())
	}
}

func put(resource string, object metav1.Object) cluster.Event {
	return cluster.Event{Op: cluster.Put, Resource: resource, Namespace: object.GetNamespace(), Name: object.GetName(), Object: object}
}

func (g *generator) zone() string { return []string{"east", "west"}[g.IntN(2)] }

func (g *generator) node() string { return []string{here, "there", "yonder"}[g.IntN(3)] }

// service is number n of a few; its addresses are its own.
func (g *generator) service(n int) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("s%d", n)}}
	if g.chance(20) {
		s.Labels = map[string]string{"service.kubernetes.io/service-proxy-name": "other"}
	}
	v4, v6 := fmt.Sprintf("10.96.0.%d", n), fmt.Sprintf("fd00::%d", n+1)
	switch g.IntN(6) {
	case 0:
		s.Spec.ClusterIPs, s.Spec.IPFamilies = []string{v6}, []corev1.IPFamily{corev1.IPv6Protocol}
	case 1:
		s.Spec.ClusterIPs, s.Spec.IPFamilies = []string{v6, v4}, []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
	case 2:
		s.Spec.ClusterIPs, s.Spec.IPFamilies = []string{v4, v6}, []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	case 3:
		s.Spec.ClusterIPs = []string{corev1.ClusterIPNone}
	default:
		s.Spec.ClusterIPs, s.Spec.IPFamilies = []string{v4}, []corev1.IPFamily{corev1.IPv4Protocol}
	}
	s.Spec.ClusterIP = s.Spec.ClusterIPs[0]
	s.Spec.Type = []corev1.ServiceType{corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer}[g.IntN(3)]
	if g.chance(20) {
		s.Spec.Type, s.Spec.ClusterIP, s.Spec.ClusterIPs, s.Spec.IPFamilies = corev1.ServiceTypeExternalName, "", nil, nil
	}
	for _, p := range []corev1.ServicePort{{Name: "a", Port: 80, Protocol: corev1.ProtocolTCP}, {Name: "b", Port: 53, Protocol: corev1.ProtocolUDP}, {Name: "c", Port: 9, Protocol: corev1.ProtocolSCTP}}[:1+g.IntN(3)] {
		if s.Spec.Type != corev1.ServiceTypeClusterIP {
			p.NodePort = 30000 + p.Port*10 + int32(n)
		}
		s.Spec.Ports = append(s.Spec.Ports, p)
	}
	internal := []corev1.ServiceInternalTrafficPolicy{corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal}[g.IntN(2)]
	s.Spec.InternalTrafficPolicy = &internal
	s.Spec.SessionAffinity = corev1.ServiceAffinityNone
	if g.chance(3) {
		seconds := int32(1 + g.IntN(65535)) // a longer one is cut, and named
		s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
		s.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
	}
	// Sluice names what is of a family that the Service has not; kube-proxy passes
	// it over, and that is the same to packets.
	families := map[corev1.IPFamily]bool{}
	for _, f := range s.Spec.IPFamilies {
		families[f] = true
	}
	external := func(network, network6 int) (ips []string) {
		if families[corev1.IPv4Protocol] && g.chance(2) {
			ips = append(ips, fmt.Sprintf("192.0.%d.%d", network, n))
		}
		if families[corev1.IPv6Protocol] && g.chance(2) {
			ips = append(ips, fmt.Sprintf("2001:db8:%d::%d", network6, n))
		}
		return ips
	}
	s.Spec.ExternalIPs = external(2, 2)
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer {
		for _, ip := range external(3, 3) {
			mode := []corev1.LoadBalancerIPMode{corev1.LoadBalancerIPModeVIP, corev1.LoadBalancerIPModeProxy}[g.IntN(2)]
			ingress := corev1.LoadBalancerIngress{IP: ip, IPMode: &mode}
			if g.chance(4) {
				ingress.IPMode = nil
			}
			s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, ingress)
		}
		for _, cidr := range []string{"10.0.0.0/8", " fd00::/16", "0.0.0.0/0", "192.168.0.0/16 ", "::/0"} {
			if g.chance(4) {
				s.Spec.LoadBalancerSourceRanges = append(s.Spec.LoadBalancerSourceRanges, cidr)
			}
		}
	}
	if s.Spec.Type != corev1.ServiceTypeClusterIP || len(s.Spec.ExternalIPs) > 0 {
		s.Spec.ExternalTrafficPolicy = []corev1.ServiceExternalTrafficPolicy{corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal}[g.IntN(2)]
	}
	return s
}

// slice is one of a few. An address may be in several slices; then, as both sides
// prefer what is not terminating and kube-proxy goes through slices in the order of
// a map, its conditions are the same in all of them, save for that.
func (g *generator) slice() *discoveryv1.EndpointSlice {
	number := g.IntN(6)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("e%d", number), Labels: map[string]string{discoveryv1.LabelServiceName: fmt.Sprintf("s%d", g.IntN(4))}},
		AddressType: []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN}[g.IntN(4)],
	}
	switch g.IntN(20) {
	case 0:
		delete(s.Labels, discoveryv1.LabelServiceName)
	case 1:
		s.Labels[corev1.IsHeadlessService] = ""
	}
	for _, p := range []struct {
		name     string
		protocol corev1.Protocol
	}{{"a", corev1.ProtocolTCP}, {"b", corev1.ProtocolUDP}, {"c", corev1.ProtocolSCTP}, {"d", corev1.ProtocolTCP}} {
		if g.chance(4) {
			continue
		}
		port := discoveryv1.EndpointPort{Name: &p.name, Protocol: &p.protocol}
		if number := int32(8000 + g.IntN(2)); !g.chance(10) {
			port.Port = &number
		}
		s.Ports = append(s.Ports, port)
	}
	mood := g.IntN(4) // makes it likely that all endpoints of a slice are alike
	for i := range g.IntN(5) {
		s.Endpoints = append(s.Endpoints, g.endpoint(s.AddressType, number*10+i, mood))
	}
	return s
}

func (g *generator) endpoint(kind discoveryv1.AddressType, host, mood int) discoveryv1.Endpoint {
	e := discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.0.0.%d", host), "10.9.9.9"}}
	switch kind {
	case discoveryv1.AddressTypeIPv6:
		e.Addresses = []string{fmt.Sprintf("fd00:a::%d", host)}
	case discoveryv1.AddressTypeFQDN:
		e.Addresses = []string{fmt.Sprintf("h%d.example.org", host)}
	}
	yes, no := true, false
	switch {
	case mood == 0 || g.chance(4):
		e.Conditions = discoveryv1.EndpointConditions{Ready: &no, Serving: &yes, Terminating: &yes}
	case g.chance(5):
		e.Conditions = discoveryv1.EndpointConditions{Ready: &no, Serving: &no, Terminating: []*bool{nil, &no, &yes}[g.IntN(3)]}
	case g.chance(5):
		e.Conditions = discoveryv1.EndpointConditions{Ready: &yes, Serving: []*bool{nil, &no, &yes}[g.IntN(3)], Terminating: []*bool{nil, &no, &yes}[g.IntN(3)]}
	}
	if !g.chance(6) {
		node := g.node()
		e.NodeName = &node
	}
	if mood == 1 || g.chance(10) {
		e.Hints = &discoveryv1.EndpointHints{}
		if !g.chance(6) {
			e.Hints.ForZones = []discoveryv1.ForZone{{Name: g.zone()}}
		}
		if g.chance(2) {
			e.Hints.ForNodes = []discoveryv1.ForNode{{Name: g.node()}}
		}
	}
	return e
}
