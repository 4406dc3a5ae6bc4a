package proxy

import (
	"net/netip"
	"strings"
	"testing"
)

// pod is a Pod of shop with the label app=web.
func pod(name, ip, node, more string) string {
	return "kind: Pod\nmetadata: {name: " + name + ", labels: {app: web}}\nspec: {nodeName: " + node + more + "}\nstatus: {phase: Running, podIPs: [{ip: '" + ip + "'}]}"
}

func TestEndpointsFromPods(t *testing.T) {
	here, there := pod("a", "10.0.0.1", "here", ""), pod("b", "10.0.0.2", "there", "")
	service := web("selector: {app: web}")
	zones := "kind: Node\nmetadata: {name: here, labels: {topology.kubernetes.io/zone: east}}\nstatus: {addresses: [{type: Hostname, address: here}, {type: InternalIP, address: 192.168.0.1}]}\n---\n" +
		"kind: Node\nmetadata: {name: there, labels: {topology.kubernetes.io/zone: west}}"
	named := "containers: [{name: c, ports: [{name: http, containerPort: 81}, {name: http, containerPort: 82, protocol: UDP}]}]"
	status := func(pod, more string) string {
		return strings.Replace(pod, "phase: Running", more, 1)
	}
	for _, test := range []struct {
		name    string
		objects []string
		want    string
	}{
		{"by labels", []string{service, here, there, strings.Replace(pod("c", "10.0.0.3", "here", ""), "app: web", "app: db", 1)}, web80 + " -> 10.0.0.1:8080 10.0.0.2:8080"},
		{"of its own namespace", []string{service, strings.Replace(here, "name: a", "name: a, namespace: other", 1)}, web80 + " -> refuse"},
		{"no selector", []string{web(""), here}, web80 + " -> refuse"},
		{"empty selector", []string{web("selector: {}"), here}, web80 + " -> refuse"},
		{"a slice of the Service's own", []string{service, here, sliceOf("web-1", ready("10.0.0.9", "here"))}, web80 + " -> 10.0.0.9:8080"},
		{"a slice without endpoints", []string{service, here, sliceOf("web-1", "  []")}, web80 + " -> refuse"},
		{"no target port", []string{web("ports: [{port: 80}]\nselector: {app: web}"), here}, web80 + " -> 10.0.0.1:80"},
		{"ended", []string{service, status(here, "phase: Succeeded"), status(there, "phase: Failed")}, web80 + " -> refuse"},
		{"not ready", []string{service, here, status(there, "conditions: [{type: Initialized, status: 'True'}, {type: Ready, status: 'False'}]")}, web80 + " -> 10.0.0.1:8080"},
		{"not ready, published", []string{web("selector: {app: web}\npublishNotReadyAddresses: true"), status(there, "conditions: [{type: Ready, status: 'False'}]")}, web80 + " -> 10.0.0.2:8080"},
		{"ready by its condition", []string{service, status(there, "conditions: [{type: Ready, status: 'True'}]")}, web80 + " -> 10.0.0.2:8080"},
		{"terminating beside ready", []string{service, here, strings.Replace(there, "name: b", "name: b, deletionTimestamp: 2020-01-01T00:00:00Z", 1)}, web80 + " -> 10.0.0.1:8080"},
		{"only terminating", []string{service, strings.Replace(there, "name: b", "name: b, deletionTimestamp: 2020-01-01T00:00:00Z", 1)}, web80 + " -> 10.0.0.2:8080"},
		{"no address", []string{service, strings.Replace(here, "podIPs: [{ip: '10.0.0.1'}]", "podIPs: []", 1)}, web80 + " -> refuse"},
		{"one address of two Pods, one ending", []string{service, here, strings.Replace(pod("b", "10.0.0.1", "there", ""), "name: b", "name: b, deletionTimestamp: 2020-01-01T00:00:00Z", 1)}, web80 + " -> 10.0.0.1:8080"},
		{"named target port", []string{web("ports: [{port: 80, targetPort: http}]\nselector: {app: web}"), pod("a", "10.0.0.1", "here", ", "+named), there, pod("c", "10.0.0.3", "here", ", "+strings.Replace(named, "81", "91", 1))}, web80 + " -> 10.0.0.1:81 10.0.0.3:91"},
		{"named target port of UDP", []string{web("ports: [{port: 80, targetPort: http, protocol: UDP}]\nselector: {app: web}"), pod("a", "10.0.0.1", "here", ", "+named)}, "shop/web:80/UDP/IPv4 10.96.0.1:80 -> 10.0.0.1:82"},
		{"named target port of a sidecar", []string{web("ports: [{port: 80, targetPort: http}]\nselector: {app: web}"), pod("a", "10.0.0.1", "here", ", "+strings.Replace(named, "containers: [{", "initContainers: [{restartPolicy: Always, ", 1)), pod("b", "10.0.0.2", "here", ", "+strings.Replace(named, "containers", "initContainers", 1))}, web80 + " -> 10.0.0.1:81"},
		{"on the host network", []string{zones, service, pod("a", "192.168.0.7", "here", ", hostNetwork: true")}, web80 + " -> 192.168.0.7:8080"},
		{"on the host network without an address", []string{zones, service, strings.Replace(pod("a", "", "here", ", hostNetwork: true"), "podIPs: [{ip: ''}]", "podIPs: []", 1)}, web80 + " -> 192.168.0.1:8080"},
		{"both families", []string{web("clusterIP: 10.96.0.1\nclusterIPs: [10.96.0.1, 'fd00::1']\nselector: {app: web}"), strings.Replace(here, "{ip: '10.0.0.1'}", "{ip: '10.0.0.1'}, {ip: 'fd00::a'}", 1)}, web80 + " -> 10.0.0.1:8080\nshop/web:80/TCP/IPv6 [fd00::1]:80 -> [fd00::a]:8080"},
		{"internal policy Local", []string{web("selector: {app: web}\ninternalTrafficPolicy: Local"), here, there}, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> 10.0.0.1:8080"},
		{"distribution to the zone", []string{zones, web("selector: {app: web}\ntrafficDistribution: PreferClose"), here, there}, web80 + " -> 10.0.0.1:8080"},
		{"the nodes come last, and one moves", []string{
			web("selector: {app: web}\ntrafficDistribution: PreferClose"), here, there, pod("h", "", "there", ", hostNetwork: true"), zones,
			"kind: Node\nmetadata: {name: there, labels: {topology.kubernetes.io/zone: east}}\nstatus: {addresses: [{type: InternalIP, address: 192.168.0.2}]}",
		}, web80 + " -> 10.0.0.1:8080 10.0.0.2:8080 192.168.0.2:8080"},
		{"distribution to the zone, one is nowhere", []string{zones, web("selector: {app: web}\ntrafficDistribution: PreferSameZone"), here, there, pod("c", "10.0.0.3", "elsewhere", "")}, web80 + " -> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080"},
		{"distribution to the node", []string{web("selector: {app: web}\ntrafficDistribution: PreferSameNode"), here, there}, web80 + " -> 10.0.0.1:8080"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(Options{EndpointsFromPods: true})
			for _, e := range parse(t, strings.Join(test.objects, "\n---\n")) {
				w.Apply([]event{e})
				w.flush(t)
			}
			if got := w.shown(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if problems := w.Problems(); len(problems) > 0 {
				t.Errorf("problems %v", problems)
			}
		})
	}
}

// Where a controller writes EndpointSlices, Pods are not looked at.
func TestPodsAreNoEndpointsWithoutTheOption(t *testing.T) {
	w := newWorld(Options{})
	w.Apply(parse(t, web("selector: {app: web}")+"\n---\n"+pod("a", "10.0.0.1", "here", "")))
	w.flush(t)
	if got, want := w.shown(), web80+" -> refuse"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What CNI gave a Pod of this node counts before its object says it (SEMANTICS 22).
func TestAddressesFromCNI(t *testing.T) {
	w := newWorld(Options{EndpointsFromPods: true})
	w.Apply(parse(t, web("selector: {app: web}")+"\n---\n"+pod("a", "10.0.0.1", "here", "")))
	expect := func(want string) {
		t.Helper()
		w.flush(t)
		if got := w.shown(); got != web80+" -> "+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	w.Attach("shop", "a", []netip.Addr{netip.MustParseAddr("10.0.0.7")})
	expect("10.0.0.7:8080")
	w.Attach("shop", "a", nil)
	expect("10.0.0.1:8080")
	w.Attach("shop", "stranger", []netip.Addr{netip.MustParseAddr("10.0.0.8")})
	expect("10.0.0.1:8080")
}
