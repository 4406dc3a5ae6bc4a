package verdict

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/proxy"
)

// ServicePrefix is before the namespace and name of a Service that a question is
// to: "svc:shop/web", "svc:shop/web:http", "svc:shop/web:80".
const ServicePrefix = "svc:"

// Differs is the verdict about a Service of whose backends policy allows some.
const Differs = "differs"

// Route leads to a port of a Service in one family.
type Route struct {
	Frontend netip.AddrPort
	Port     datapath.ServicePort
}

// Routes are the ports of Services that a question is to, as the Pods of the
// model's node see them; none: it is to no Service. The model belongs to the
// caller's goroutine, the routes to nobody.
func Routes(services *proxy.Model, q Question) ([]Route, error) {
	if name, isService := strings.CutPrefix(q.To, ServicePrefix); isService {
		return named(services, name, q)
	}
	address, err := netip.ParseAddr(q.To)
	if err != nil {
		return nil, nil // a Pod, or a mistake that Ask names
	}
	protocol, err := protocolOf(q.Protocol)
	if err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	frontend := netip.AddrPortFrom(address.Unmap(), q.Port)
	if port, ok := services.At(protocol, frontend); ok {
		return []Route{{frontend, port}}, nil
	}
	return nil, nil
}

// named finds the port of a Service that is meant: by its name, by its number and
// the protocol, or the only one there is.
func named(services *proxy.Model, end string, q Question) ([]Route, error) {
	end, port, given := strings.Cut(end, ":")
	if !given && q.Port != 0 {
		port, given = strconv.Itoa(int(q.Port)), true
	}
	namespace, name, ok := strings.Cut(end, "/")
	if !ok {
		return nil, fmt.Errorf("to: %q is not svc:namespace/name[:port]", q.To)
	}
	reached, err := services.ClusterIPs(namespace, name)
	if err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	ports := portsOf(reached)
	if given {
		if reached, err = filter(reached, port, q.Protocol); err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
	} else if len(ports) > 1 {
		return nil, fmt.Errorf("to: Service %s has the ports %s: name one, as in %s%s:%s", end, strings.Join(ports, ", "), ServicePrefix, end, reached[0].Port)
	}
	var routes []Route
	for _, r := range reached {
		if p, served := services.At(r.Protocol, r.Address); served && portOf(p) == end {
			routes = append(routes, Route{r.Address, p})
		}
	}
	switch {
	case len(reached) == 0:
		return nil, fmt.Errorf("to: Service %s has no port %s, only %s", end, port, strings.Join(ports, ", "))
	case len(routes) == 0:
		return nil, fmt.Errorf("to: Service %s is not served at %s: `sluicectl services` says why", end, reached[0].Address)
	}
	return routes, nil
}

// filter keeps the port that is meant. A name is of one protocol; a number may be
// of several.
func filter(reached []proxy.Reached, port, word string) ([]proxy.Reached, error) {
	protocol, err := protocolOf(word)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return slices.DeleteFunc(slices.Clone(reached), func(r proxy.Reached) bool {
		byName := r.Port == port && (word == "" || protocol == r.Protocol)
		byNumber := err == nil && r.Address.Port() == uint16(number) && protocol == r.Protocol
		return !byName && !byNumber
	}), nil
}

func portsOf(reached []proxy.Reached) []string {
	var ports []string
	for _, r := range reached {
		if word := fmt.Sprintf("%s (%d/%s)", r.Port, r.Address.Port(), protocolWord(r.Protocol)); !slices.Contains(ports, word) {
			ports = append(ports, word)
		}
	}
	return ports
}

// portOf is the Service that a ServicePort is of.
func portOf(p datapath.ServicePort) string {
	service, _, _ := strings.Cut(p.Name, ":")
	return service
}

func protocolWord(p abi.Protocol) string {
	switch p {
	case abi.UDP:
		return "UDP"
	case abi.SCTP:
		return "SCTP"
	}
	return "TCP"
}

// ServiceAnswer says what a Service does with a connection before policy judges
// it.
type ServiceAnswer struct {
	Port     string `json:"port"` // "shop/web:http/TCP/IPv4"
	Frontend string `json:"frontend"`
	// Reason says why no backend is chosen; empty if one is.
	Reason   string          `json:"reason,omitempty"`
	Backends []BackendAnswer `json:"backends,omitempty"`
}

// BackendAnswer is the answer for a connection that a Service gives to one of its
// backends.
type BackendAnswer struct {
	Address string   `json:"address"`
	Pod     string   `json:"pod,omitempty"` // namespace/name; empty if it is none
	Verdict string   `json:"verdict"`
	Egress  Decision `json:"egress"`
	Ingress Decision `json:"ingress"`
}

// askService judges every backend: "Egress to a Service is judged by the backend's
// address and port" (SEMANTICS 16).
func askService(view policy.View, q Question, from []netip.Addr, routes []Route) (Answer, error) {
	for _, source := range from {
		for _, r := range routes {
			if source.Is4() != r.Frontend.Addr().Is4() {
				continue
			}
			if _, isPod := view.Inventory.PodByAddr(source); !isPod {
				return Answer{}, fmt.Errorf("from: %s is no Pod with a network of its own: what becomes of its connections to a Service is up to kube-proxy", q.From)
			}
			return throughService(view, source, r), nil
		}
	}
	return Answer{}, fmt.Errorf("%s and %s have no address of the same family", q.From, q.To)
}

func throughService(view policy.View, source netip.Addr, r Route) Answer {
	s := &ServiceAnswer{Port: r.Port.Name, Frontend: r.Frontend.String()}
	answer := Answer{Verdict: "deny", Service: s}
	if s.Reason = nobody(source, r); s.Reason != "" {
		return answer
	}
	verdicts := map[string]bool{}
	for _, backend := range r.Port.Backends {
		one := judge(view, policy.Packet{
			Source: source, Destination: backend.Addr(), Protocol: r.Port.Protocol, Port: backend.Port(), ThroughService: true,
		})
		verdicts[one.Verdict] = true
		answer.Verdict = one.Verdict
		s.Backends = append(s.Backends, BackendAnswer{
			Address: backend.String(), Pod: podAt(view.Inventory, backend.Addr()), Verdict: one.Verdict, Egress: one.Egress, Ingress: one.Ingress,
		})
	}
	if len(verdicts) > 1 {
		answer.Verdict = Differs
	}
	return answer
}

// nobody says why no backend is chosen, or nothing.
func nobody(source netip.Addr, r Route) string {
	for _, f := range r.Port.Frontends {
		admits := func(p netip.Prefix) bool { return p.Contains(source) }
		if f.Address == r.Frontend && f.Sources != nil && !slices.ContainsFunc(f.Sources, admits) {
			return fmt.Sprintf("loadBalancerSourceRanges of the Service do not contain %s: dropped", source)
		}
	}
	switch {
	case len(r.Port.Backends) > 0:
		return ""
	case r.Port.WhenEmpty == datapath.DropWhenEmpty:
		return "the Service has endpoints, but none that may be used from this node (traffic policy Local): dropped"
	}
	return "the Service has no endpoints: refused at once"
}

func podAt(s *inventory.Snapshot, address netip.Addr) string {
	if pod, isPod := s.PodByAddr(address); isPod {
		return pod.Namespace() + "/" + pod.Name()
	}
	return ""
}
