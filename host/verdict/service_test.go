package verdict

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/proxy"
)

// shop is three Pods, of which the blue one may be reached, and Services in front
// of them: web (blue and green), blue, green, none (without endpoints), two (with
// two ports), lb (with source ranges), headless.
func shop(t *testing.T) (policy.View, *proxy.Model) {
	t.Helper()
	inv := inventory.New()
	inv.PutNamespace(inventory.Namespace{Name: "shop"})
	for i, name := range []string{"client", "blue", "green"} {
		inv.PutPod(inventory.Pod{
			Namespace: "shop", Name: name, Labels: map[string]string{"color": name}, Node: "n",
			Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", i+1)), netip.MustParseAddr(fmt.Sprintf("fd00::%d", i+1))},
		})
	}
	grant := policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Deny}}
	layer := policy.NewLayer("test", 1, grant, policy.Limits{})
	txn := layer.Begin(true)
	for _, r := range []abi.Request{
		&abi.PutSet{Name: "green", Spec: &abi.Pods{PodSelector: abi.Selector{Requirements: []abi.Requirement{{Key: "color", Operator: abi.In, Values: []string{"green"}}}}, NamespaceSelector: &abi.Selector{}}},
		&abi.PutSet{Name: "all", Spec: &abi.Pods{NamespaceSelector: &abi.Selector{}}},
		&abi.PutRule{Name: "no", Spec: abi.RuleSpec{Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"all"}, Peers: []string{"green"}, Action: abi.Deny}},
	} {
		if err := txn.Stage(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := txn.Check(); err != nil {
		t.Fatal(err)
	}
	layer.Commit(txn)

	m := proxy.New(proxy.Options{NodeName: "n"})
	for i, s := range []struct {
		name, ports, endpoints string
		change                 func(*corev1.Service)
	}{
		{"web", "http", "2 3", nil},
		{"blue", "http", "2", nil},
		{"green", "http", "3", nil},
		{"self", "http", "1", nil},
		{"none", "http", "", nil},
		{"two", "http dns", "2", nil},
		{"lb", "http", "2", func(s *corev1.Service) {
			s.Spec.Type = corev1.ServiceTypeLoadBalancer
			s.Spec.LoadBalancerSourceRanges = []string{"192.0.2.0/24"}
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.1"}}
		}},
		{"headless", "http", "2", func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }},
	} {
		put(m, i+1, s.name, s.ports, s.endpoints, s.change)
	}
	m.Flush()
	return policy.View{Inventory: inv.Snapshot(), Layers: []*policy.Layer{layer}}, m
}

func put(m *proxy.Model, n int, name, ports, endpoints string, change func(*corev1.Service)) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	service.Spec.ClusterIP = fmt.Sprintf("10.96.0.%d", n)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, port := range strings.Fields(ports) {
		number, target, protocol := int32(80), int32(8080), corev1.ProtocolTCP
		if port == "dns" {
			number, target, protocol = 53, 5353, corev1.ProtocolUDP
		}
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: port, Port: number, Protocol: protocol})
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &port, Port: &target, Protocol: &protocol})
	}
	for _, host := range strings.Fields(endpoints) {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0." + host}})
	}
	if change != nil {
		change(service)
	}
	m.Apply([]cluster.Event{
		{Op: cluster.Put, Resource: cluster.Services, Namespace: "shop", Name: name, Object: service},
		{Op: cluster.Put, Resource: cluster.EndpointSlices, Namespace: "shop", Name: name, Object: slice},
	})
}

func TestAskAboutServices(t *testing.T) {
	view, services := shop(t)
	for _, test := range []struct {
		name string
		q    Question
		want string // verdict, port and backends; or the error
	}{
		{"by name", Question{To: "svc:shop/blue"}, "allow shop/blue:http/TCP/IPv4 10.96.0.2:80 10.0.0.2:8080=shop/blue=allow"},
		{"by the name of its port", Question{To: "svc:shop/blue:http"}, "allow shop/blue:http/TCP/IPv4 10.96.0.2:80 10.0.0.2:8080=shop/blue=allow"},
		{"by number", Question{To: "svc:shop/blue:80"}, "allow shop/blue:http/TCP/IPv4 10.96.0.2:80 10.0.0.2:8080=shop/blue=allow"},
		{"by number beside it", Question{To: "svc:shop/blue", Port: 80}, "allow shop/blue:http/TCP/IPv4 10.96.0.2:80 10.0.0.2:8080=shop/blue=allow"},
		{"by address", Question{To: "10.96.0.2", Port: 80}, "allow shop/blue:http/TCP/IPv4 10.96.0.2:80 10.0.0.2:8080=shop/blue=allow"},
		{"by another port of the address", Question{To: "10.96.0.2", Port: 81}, "allow"},
		{"backends differ", Question{To: "svc:shop/web"}, "differs shop/web:http/TCP/IPv4 10.96.0.1:80 10.0.0.2:8080=shop/blue=allow 10.0.0.3:8080=shop/green=deny"},
		{"denied", Question{To: "svc:shop/green"}, "deny shop/green:http/TCP/IPv4 10.96.0.3:80 10.0.0.3:8080=shop/green=deny"},
		{"oneself", Question{To: "svc:shop/self"}, "allow shop/self:http/TCP/IPv4 10.96.0.4:80 10.0.0.1:8080=shop/client=allow"},
		{"no endpoints", Question{To: "svc:shop/none"}, "deny shop/none:http/TCP/IPv4 10.96.0.5:80: the Service has no endpoints: refused at once"},
		{"a name tells the protocol", Question{To: "svc:shop/two:dns"}, "allow shop/two:dns/UDP/IPv4 10.96.0.6:53 10.0.0.2:5353=shop/blue=allow"},
		{"a number needs the protocol", Question{To: "svc:shop/two:53", Protocol: "UDP"}, "allow shop/two:dns/UDP/IPv4 10.96.0.6:53 10.0.0.2:5353=shop/blue=allow"},
		{"source ranges", Question{To: "198.51.100.1", Port: 80}, "deny shop/lb:http/TCP/IPv4 198.51.100.1:80: loadBalancerSourceRanges of the Service do not contain 10.0.0.1: dropped"},
		{"source ranges are not for the cluster IP", Question{To: "svc:shop/lb"}, "allow shop/lb:http/TCP/IPv4 10.96.0.7:80 10.0.0.2:8080=shop/blue=allow"},
		{"a Pod is no Service", Question{To: "shop/green", Port: 8080}, "deny"},

		{"which port", Question{To: "svc:shop/two"}, "to: Service shop/two has the ports http (80/TCP), dns (53/UDP): name one, as in svc:shop/two:http"},
		{"no such port", Question{To: "svc:shop/two:53"}, "to: Service shop/two has no port 53, only http (80/TCP), dns (53/UDP)"},
		{"no such Service", Question{To: "svc:shop/blues"}, "to: there is no Service shop/blues"},
		{"no namespace", Question{To: "svc:blue"}, `to: "svc:blue" is not svc:namespace/name[:port]`},
		{"headless", Question{To: "svc:shop/headless"}, "to: Service shop/headless is left alone (headless): ask about an address"},
		{"from outside", Question{From: "192.0.2.1", To: "svc:shop/blue"}, "from: 192.0.2.1 is no Pod with a network of its own: what becomes of its connections to a Service is up to kube-proxy"},
		{"the other family", Question{From: "fd00::1", To: "svc:shop/blue"}, "fd00::1 and svc:shop/blue have no address of the same family"},
		{"protocol", Question{To: "svc:shop/blue:80", Protocol: "GRE"}, `to: protocol "GRE" is not known: use TCP, UDP, SCTP, ICMP or ICMPv6`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.q.From == "" {
				test.q.From = "shop/client"
			}
			if got := asked(view, services, test.q); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// asked is the answer in a line.
func asked(view policy.View, services *proxy.Model, q Question) string {
	routes, err := Routes(services, q)
	if err != nil {
		return err.Error()
	}
	a, err := Ask(view, q, routes)
	switch {
	case err != nil:
		return err.Error()
	case a.Service == nil:
		return a.Verdict
	case a.Service.Reason != "":
		return fmt.Sprintf("%s %s %s: %s", a.Verdict, a.Service.Port, a.Service.Frontend, a.Service.Reason)
	}
	line := a.Verdict + " " + a.Service.Port + " " + a.Service.Frontend
	for _, b := range a.Service.Backends {
		line += " " + b.Address + "=" + b.Pod + "=" + b.Verdict
	}
	return line
}

func TestMatrixOfServices(t *testing.T) {
	view, services := shop(t)
	client := []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	probes, err := Matrix(MatrixOptions{
		View: view, On: func(string) *proxy.Model { return services },
		Ends: []End{{Name: "shop/client", Addresses: client}, {Name: "192.0.2.1", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}},
		Services: []End{
			{Name: "svc:shop/web", Addresses: []netip.Addr{netip.MustParseAddr("10.96.0.1")}, Ports: []Port{{"TCP", 80}, {"TCP", 81}}},
			{Name: "svc:shop/blue", Addresses: []netip.Addr{netip.MustParseAddr("10.96.0.2")}, Ports: []Port{{"TCP", 80}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range probes {
		got = append(got, fmt.Sprint(p.From, " ", p.To, " ", p.Port, " ", p.Connected, " ", p.Partly, " ", p.Answers))
	}
	want := "shop/client svc:shop/web 80 false true [shop/blue]\nshop/client svc:shop/web 81 false false []\nshop/client svc:shop/blue 80 true false [shop/blue]"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}
