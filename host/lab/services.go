package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// ServicePlan is a Service that Pods of the lab can ask for.
type ServicePlan struct {
	Namespace, Name string
	Addresses       []netip.Addr // cluster IPs, IPv4 before IPv6
	Ports           []Port
}

// servicePrefix is before the name of a Service as an end of probes.
const servicePrefix = "svc:"

// Key is svc:namespace/name.
func (s ServicePlan) Key() string { return servicePrefix + s.Namespace + "/" + s.Name }

// isService tells a Service from the other ends of probes.
func isService(end string) bool { return strings.HasPrefix(end, servicePrefix) }

// staysInForce tells whether a document, as JSON, holds nothing but Services and
// EndpointSlices. They are no policies: they are there from the start, so that the
// baseline has them too.
func staysInForce(document []byte) bool {
	var head struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(document, &head) != nil {
		return false
	}
	switch head.Kind {
	case "Service", "EndpointSlice":
		return true
	case "List", "ServiceList", "EndpointSliceList":
		return len(head.Items) > 0 && !slices.ContainsFunc(head.Items, func(item json.RawMessage) bool {
			return head.Kind == "List" && !staysInForce(item)
		})
	}
	return false
}

// servicesIn reads the Services of a document. One that cannot be read has no place
// in the plan: to complain about it is the agents' task.
func servicesIn(document []byte) []*corev1.Service {
	var head struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}
	if yaml.Unmarshal(document, &head) != nil {
		return nil
	}
	if head.Kind != "Service" && head.Kind != "" {
		var all []*corev1.Service
		for _, item := range head.Items {
			all = append(all, servicesIn(item)...)
		}
		return all
	}
	service := new(corev1.Service)
	if yaml.Unmarshal(document, service) != nil || service.Name == "" {
		return nil
	}
	if service.Namespace == "" {
		service.Namespace = "default"
	}
	return []*corev1.Service{service}
}

// planServices lists the Services that a Pod can connect to. There is no
// kube-proxy in a lab, so those that are left to it are not among them.
func (p *Plan) planServices(services []*corev1.Service) {
	for _, service := range services {
		if _, another := service.Labels["service.kubernetes.io/service-proxy-name"]; another || service.Spec.Type == corev1.ServiceTypeExternalName {
			continue
		}
		planned := ServicePlan{Namespace: service.Namespace, Name: service.Name}
		for _, text := range append([]string{service.Spec.ClusterIP}, service.Spec.ClusterIPs...) {
			if address, err := netip.ParseAddr(text); err == nil && !slices.Contains(planned.Addresses, address) {
				planned.Addresses = append(planned.Addresses, address)
			}
		}
		for _, declared := range service.Spec.Ports {
			port := Port{Protocol: string(declared.Protocol), Number: uint16(declared.Port)}
			if port.Protocol == "" {
				port.Protocol = "TCP" // ServicePort.protocol: "Default is TCP"
			}
			planned.Ports = append(planned.Ports, port)
		}
		if len(planned.Addresses) > 0 {
			slices.SortFunc(planned.Addresses, netip.Addr.Compare)
			p.Services = append(p.Services, planned)
		}
	}
	slices.SortFunc(p.Services, func(a, b ServicePlan) int { return strings.Compare(a.Key(), b.Key()) })
}

// serviceProbes lists the probes to Services: from every Pod with a network of
// its own, itself included, since a Service may send a Pod to itself.
func (l *Lab) serviceProbes() []ProbeSpec {
	if l.options.PolicyFree || l.options.WithoutServices {
		return nil
	}
	l.listening.Lock()
	defer l.listening.Unlock()
	var specs []ProbeSpec
	for _, p := range l.pods {
		if p.plan.HostNetwork {
			continue
		}
		from := end{p.plan.Key(), p.ns, p.plan.Addresses}
		for _, s := range l.plan.Services {
			for _, port := range s.Ports {
				for _, address := range s.Addresses {
					if reason := l.cannotListen(&listener{owner: s.Key(), address: address, port: port}); reason != "" {
						l.skip(&listener{owner: s.Key(), address: address, port: port}, reason)
					} else if from.speaks(address) {
						specs = append(specs, ProbeSpec{from.name, s.Key(), address, port.Protocol, port.Number})
					}
				}
			}
		}
	}
	return specs
}

// serviceTries is how many connections one probe to a Service makes: enough to
// meet each of two or three backends.
const serviceTries = 16

// probeService connects many times at once, each time from another port. It is
// Connected if all connections were answered, and Partly if some were.
func (n *namespace) probeService(spec ProbeSpec) (Outcome, error) {
	tries, errs := make([]Outcome, serviceTries), make([]error, serviceTries)
	var group sync.WaitGroup
	for i := range tries {
		// Long enough for a lost packet to be sent again: a second try might meet
		// another backend.
		group.Go(func() { tries[i], errs[i] = n.attempt(spec, 2*probeTimeout) })
	}
	group.Wait()
	var whole Outcome
	answered := 0
	for i, one := range tries {
		if errs[i] != nil {
			return Outcome{}, errs[i]
		}
		whole.Took = max(whole.Took, one.Took)
		if !one.Connected {
			whole.Reason = one.Reason
			continue
		}
		answered++
		whole.Answers = append(whole.Answers, one.Answers...)
		if !slices.Contains(one.Answers, spec.From) {
			whole.Source = one.Source // to a Pod itself it comes from elsewhere, or the answer would never leave the Pod
		}
	}
	slices.Sort(whole.Answers)
	whole.Answers = slices.Compact(whole.Answers)
	whole.Connected, whole.Partly = answered == serviceTries, answered > 0 && answered < serviceTries
	if whole.Partly {
		whole.Reason = fmt.Sprintf("%d of %d connections: %s", serviceTries-answered, serviceTries, whole.Reason)
	}
	return whole, nil
}
