package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// morePods are beside servicePods: one that is not ready, and one on the network of
// its node, east.
const morePods = `
apiVersion: v1
kind: Pod
metadata: {name: slow, namespace: shop, labels: {app: slow}}
spec: {nodeName: west, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]}
status: {conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop, labels: {app: host}}
spec: {nodeName: east, hostNetwork: true, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]}
`

// TestEndpointsOnPackets: what EndpointSlices and Pods say of who answers, as Pods in
// two zones see it.
func TestEndpointsOnPackets(t *testing.T) {
	t.Parallel()
	var (
		slow     = []string{"shop/slow"}
		host     = []string{"host:east"} // who listens there already
		external = []string{lab.External}
		a, b, c  = []string{"shop/a"}, []string{"shop/b"}, []string{"shop/c"}
		ac       = []string{"shop/a", "shop/c"}
	)
	const (
		ends    = "conditions: {ready: false, serving: true, terminating: true}"
		unready = "conditions: {ready: false, serving: false}"
		ended   = "conditions: {ready: false, serving: false, terminating: true}"
		inOne   = "hints: {forZones: [{name: one}]}"
		inTwo   = "hints: {forZones: [{name: two}]}"
		onEast  = "hints: {forNodes: [{name: east}]}"
		onWest  = "hints: {forNodes: [{name: west}]}"
		inThree = "hints: {forZones: [{name: three}]}"
	)
	cases := []struct {
		name   string
		spec   string     // of the Service
		slices [][]string // of endpoints, "NAME and what else there is to say"; none: from the selector
		d, a   []string   // who answers shop/d in zone two and shop/a in zone one; nobody: it is refused
	}{
		{name: "only-ready", slices: [][]string{{"shop/a", "shop/c " + unready}}, d: a, a: a},
		{name: "ready-before-terminating", slices: [][]string{{"shop/a " + ends, "shop/b"}}, d: b, a: b},
		{name: "none-but-terminating", slices: [][]string{{"shop/a " + ends, "shop/b " + ended, "shop/c " + unready}}, d: a, a: a},
		{name: "all-ended", slices: [][]string{{"shop/a " + ended, "shop/c " + unready}}},
		{name: "in-many-slices", slices: [][]string{{"shop/a"}, {}, {"shop/c"}, {"shop/b " + unready}}, d: ac, a: ac},
		{
			name: "local-though-terminating", spec: "internalTrafficPolicy: Local",
			slices: [][]string{{"shop/a", "shop/b"}, {"shop/c " + ends}}, d: c, a: []string{"shop/a", "shop/b"},
		},
		{name: "zones", slices: [][]string{{"shop/a " + inOne, "shop/c " + inTwo}}, d: c, a: a},
		{name: "zone-of-nobody", slices: [][]string{{"shop/a " + inThree, "shop/c " + inThree}}, d: ac, a: ac},
		{name: "one-without-zone", slices: [][]string{{"shop/a " + inOne, "shop/c"}}, d: ac, a: ac},
		{name: "nodes", slices: [][]string{{"shop/a " + onEast, "shop/c " + onWest}}, d: c, a: a},
		{name: "same-node", spec: "selector: {app: web}\ntrafficDistribution: PreferSameNode", d: c, a: []string{"shop/a", "shop/b"}},
		{name: "not-ready", spec: "selector: {app: slow}"},
		{name: "not-ready-published", spec: "selector: {app: slow}\npublishNotReadyAddresses: true", d: slow, a: slow},
		{name: "on-the-host", spec: "selector: {app: host}", d: host, a: host},
		{name: "outside", slices: [][]string{{lab.External}}, d: external, a: external},
	}
	l := labtest.Start(t, lab.Options{
		Manifests: []string{labtest.File(t, "pods.yaml", servicePods+"---"+morePods)}, Listen: []lab.Port{{Protocol: "TCP", Number: 8080}, {Protocol: "UDP", Number: 8080}},
	})
	addresses := map[string][]netip.Addr{lab.External: l.Plan().External}
	for _, p := range l.Plan().Pods {
		addresses[p.Key()] = p.Addresses
	}
	var objects []string
	for i, test := range cases {
		objects = append(objects, serviceAt(test.name, i+1, test.spec))
		for s, endpoints := range test.slices {
			for family := range 2 {
				objects = append(objects, sliceOf(fmt.Sprintf("%s-%d-%d", test.name, s, family), test.name, family, addresses, endpoints))
			}
		}
	}
	ask := asking{t, l}
	ask.apply(objects...)
	for i, test := range cases {
		for from, by := range map[string][]string{"shop/d": test.d, "shop/a": test.a} {
			check := refused
			if len(by) > 0 {
				check = answered(by...)
			}
			ask.each(from, test.name, i+1, check)
		}
	}
}

// sliceOf is an EndpointSlice of one family, 0 for IPv4, of a Service of serviceAt.
func sliceOf(name, service string, family int, addresses map[string][]netip.Addr, endpoints []string) string {
	text := fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s, namespace: shop, labels: {kubernetes.io/service-name: %s}}
addressType: %s
ports: [{name: tcp, port: 8080}, {name: udp, port: 8080, protocol: UDP}]
endpoints:
`, name, service, []string{"IPv4", "IPv6"}[family])
	if len(endpoints) == 0 {
		return strings.TrimSuffix(text, "\n") + " []\n"
	}
	nodes := map[string]string{"shop/a": "east", "shop/b": "east", "shop/c": "west"}
	for _, e := range endpoints {
		who, more, _ := strings.Cut(e, " ")
		text += fmt.Sprintf("- addresses: [%q]\n", addresses[who][family])
		if node := nodes[who]; node != "" {
			text += "  nodeName: " + node + "\n"
		}
		if more != "" {
			text += "  " + more + "\n"
		}
	}
	return text
}
