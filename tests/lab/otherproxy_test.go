package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// What is somebody else's reaches the host as the Pod sent it: the host plays the
// other proxy, and counts what it sees.
func TestServicesOfAnotherProxy(t *testing.T) {
	const selected = "selector: {app: web}"
	ours := serviceAt("theirs", 1, selected)
	clusterIPs := [2]string{"10.96.0.1", "fd00:10:96::1"}
	const externalIPs = `externalIPs: [192.0.2.7, "2001:db8:7::7"]`
	external := [2]string{"192.0.2.7", "2001:db8:7::7"}
	for _, test := range []struct {
		name    string
		service string
		options lab.Options
		at      [2]string // IPv4, IPv6; none: those of the node
		port    uint16
		leftTo  string // what `sluicectl services` says of that; empty: it is served at other addresses
	}{
		{
			name: "by its label", at: clusterIPs, port: 80, leftTo: "label service.kubernetes.io/service-proxy-name=theirs",
			service: strings.Replace(ours, "namespace: shop}", "namespace: shop, labels: {service.kubernetes.io/service-proxy-name: theirs}}", 1),
		},
		{name: "by configuration", service: ours, options: lab.Options{WithoutServices: true}, at: clusterIPs, port: 80},
		{name: "a port that the Service has not", service: ours, at: clusterIPs, port: 81},
		{name: "a port of the node", service: strings.Replace(serviceAt("theirs", 1, selected+"\ntype: NodePort"), "port: 80,", "port: 80, nodePort: 30080,", 1), port: 30080},
		{
			name: "a load balancer that is a proxy", at: external, port: 80,
			service: serviceAt("theirs", 1, selected+"\ntype: LoadBalancer") + `status: {loadBalancer: {ingress: [{ip: 192.0.2.7, ipMode: Proxy}, {ip: "2001:db8:7::7", ipMode: Proxy}]}}` + "\n",
		},
		{name: "headless", at: external, port: 80, leftTo: "headless", service: fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: theirs, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: 8080}], %s}
`, externalIPs)},
		{name: "the name of somebody outside", at: external, port: 80, leftTo: "ExternalName", service: fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: theirs, namespace: shop}
spec: {type: ExternalName, externalName: example.org, ports: [{port: 80}], %s}
`, externalIPs)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.options.Manifests = []string{labtest.File(t, "services.yaml", servicePods+"---"+test.service)}
			l := labtest.Start(t, test.options)
			if test.at[0] == "" {
				node, _ := l.Plan().Node("west")
				test.at = [2]string{node.Addresses[0].String(), node.Addresses[1].String()}
			}
			i := slices.IndexFunc(l.Plan().Pods, func(p lab.PodPlan) bool { return p.Key() == "shop/d" })
			from := l.Plan().Pods[i].Addresses
			in(t, l, "west", fmt.Sprintf(`nft -f - <<END
table inet theirs {
	counter v4 { }
	counter v6 { }
	chain seen {
		type filter hook prerouting priority -300
		ip saddr %[1]s ip daddr %[2]s tcp dport %[5]d counter name v4 reject with tcp reset
		ip6 saddr %[3]s ip6 daddr %[4]s tcp dport %[5]d counter name v6 reject with tcp reset
	}
}
END`, from[0], test.at[0], from[1], test.at[1], test.port))
			for i, family := range []string{"v4", "v6"} {
				outcome, err := l.Probe(t.Context(), lab.ProbeSpec{
					From: "shop/d", To: "svc:shop/theirs", Address: netip.MustParseAddr(test.at[i]), Protocol: "TCP", Port: test.port,
				})
				if err != nil {
					t.Fatal(err)
				}
				refused(t, outcome) // by the host
				in(t, l, "west", "nft list counter inet theirs "+family+" | grep -Eq 'packets (1[6-9]|[2-9][0-9])'")
			}
			if test.leftTo != "" {
				says(t, l, "west", []string{"services", "shop/theirs"}, "left alone: "+test.leftTo)
			}
		})
	}
}
