package cluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// service is Service shop/web on 10.96.0.1, TCP port 80, with more in its spec.
func service(spec string) string {
	text := "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n  clusterIP: 10.96.0.1\n"
	if !strings.Contains(spec, "ports:") {
		text += "  ports: [{port: 80}]\n"
	}
	return text + indent(spec)
}

// endpoints is an IPv4 EndpointSlice of it with more at its top.
func endpoints(more string) string {
	text := "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}\n"
	if !strings.Contains(more, "addressType:") {
		text += "addressType: IPv4\n"
	}
	if !strings.Contains(more, "ports:") {
		text += "ports: [{port: 8080}]\n"
	}
	if !strings.Contains(more, "endpoints:") {
		text += "endpoints: []\n"
	}
	return text + more + "\n"
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String() + "\n"
}

func TestServiceProblems(t *testing.T) {
	const noAddress = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
	const second = "spec.ports[1]"
	for _, test := range []struct{ name, text, want string }{
		{"good", service(""), ""},
		{"headless", strings.Replace(service(""), "10.96.0.1", "None", 1), ""},
		{"external name", "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: ExternalName, externalName: example.org}\n", ""},
		{"name that starts with a digit", strings.Replace(service(""), "name: web", "name: 1web", 1), ""},
		{"no cluster IP", strings.Replace(service(""), "  clusterIP: 10.96.0.1\n", "", 1), "spec.clusterIP: Required value: no API server is here to allot an address: write one, or None for a headless Service"},
		{"no second cluster IP", service("ipFamilyPolicy: RequireDualStack"), "spec.clusterIPs[1]: Required value: `ipFamilyPolicy` is RequireDualStack, and no API server is here to allot an address: write one of the other family"},
		{"only the plural", strings.Replace(service("clusterIPs: [10.96.0.1]"), "  clusterIP: 10.96.0.1\n", "", 1), "spec.clusterIP: Required value: must be the first of `clusterIPs`, which is 10.96.0.1"},
		{"two truths", service("clusterIPs: [10.96.0.2]"), `spec.clusterIPs: Invalid value: ["10.96.0.2"]: first value must match ` + "`clusterIP`"},
		{"two of a family", service("clusterIPs: [10.96.0.1, 10.96.0.2]"), `spec.clusterIPs: Invalid value: ["10.96.0.1","10.96.0.2"]: may specify no more than one IP for each IP family`},
		{"family of the other", service("ipFamilies: [IPv6]"), "spec.clusterIPs[0]: Invalid value: \"10.96.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`"},
		{"no address", service("clusterIPs: [10.96.0.1, there]"), `spec.clusterIPs[1]: Invalid value: "there": ` + noAddress},
		{"headless LoadBalancer", strings.Replace(service("type: LoadBalancer"), "10.96.0.1", "None", 1), `spec.clusterIP: Invalid value: "None": may not be set to 'None' for LoadBalancer services`},
		{"ExternalName with an address", service("type: ExternalName"), "spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
		{"type", service("type: Headless"), `spec.type: Unsupported value: "Headless": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"`},
		{"no ports", service("ports: []"), "spec.ports: Required value"},
		{"port 0", service("ports: [{port: 0}]"), "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive\nspec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive"},
		{"nameless ports", service("ports: [{name: a, port: 80}, {port: 81}]"), second + ".name: Required value: must be given where there are several ports"},
		{"port name twice", service("ports: [{name: a, port: 80}, {name: a, port: 81}]"), second + `.name: Duplicate value: "a"`},
		{"port twice", service("ports: [{name: a, port: 80}, {name: b, port: 80, targetPort: 90}]"), second + `.port: Duplicate value: "80/TCP"`},
		{"one number, two protocols", service("ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]"), ""},
		{"protocol", service("ports: [{port: 80, protocol: HTTP}]"), `spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"`},
		{"target port", service("ports: [{port: 80, targetPort: 70000}]"), "spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
		{"target port name", service("ports: [{port: 80, targetPort: '80'}]"), `spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)`},
		{"affinity", service("sessionAffinity: Cookie"), `spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"`},
		{"affinity time-out", service("sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}"), "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and at most 86400"},
		{"external IP", service("externalIPs: [127.0.0.1]"), `spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`},
		{"source ranges", service("type: LoadBalancer\nloadBalancerSourceRanges: [' 10.0.0.0/8', 10.0.0.0]"), `spec.loadBalancerSourceRanges[1]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
		{"source ranges of a ClusterIP", service("loadBalancerSourceRanges: [10.0.0.0/8]"), "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
		{"internal policy", service("internalTrafficPolicy: Node"), `spec.internalTrafficPolicy: Unsupported value: "Node": supported values: "Cluster", "Local"`},
		{"external policy", service("type: NodePort\nexternalTrafficPolicy: Node"), `spec.externalTrafficPolicy: Unsupported value: "Node": supported values: "Cluster", "Local"`},
		{"external policy for nobody", service("externalTrafficPolicy: Local"), `spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services`},
		{"distribution", service("trafficDistribution: Near"), `spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"`},
		{"ingress", service("type: LoadBalancer") + "status: {loadBalancer: {ingress: [{ip: 192.0.2.256}, {ip: 192.0.2.1, ipMode: Vip}]}}", `status.loadBalancer.ingress[0].ip: Invalid value: "192.0.2.256": ` + noAddress + "\n" + `status.loadBalancer.ingress[1].ipMode: Unsupported value: "Vip": supported values: "Proxy", "VIP"`},
		{"ingress of a ClusterIP", service("") + "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"},

		{"good endpoints", endpoints("endpoints: [{addresses: [10.0.0.1]}]"), ""},
		{"address type", endpoints("addressType: IP"), `addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"`},
		{"no address type", strings.Replace(endpoints(""), "addressType: IPv4\n", "", 1), "addressType: Required value"},
		{"names", endpoints("addressType: FQDN\nendpoints: [{addresses: [a.example.org]}]"), ""},
		{"endpoint of the other family", endpoints("endpoints: [{addresses: ['fd00::1']}]"), `endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address, as ` + "`addressType` says"},
		{"endpoint of the other family again", endpoints("addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]"), `endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address, as ` + "`addressType` says"},
		{"endpoint without address", endpoints("endpoints: [{addresses: []}]"), "endpoints[0].addresses: Required value: must contain at least 1 address"},
		{"unspecified endpoint", endpoints("endpoints: [{addresses: [0.0.0.0]}]"), `endpoints[0].addresses[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)`},
		{"link-local endpoint", endpoints("endpoints: [{addresses: [169.254.169.254]}]"), `endpoints[0].addresses[0]: Invalid value: "169.254.169.254": may not be in the link-local range (169.254.0.0/16, fe80::/10)`},
		{"endpoint port 0", endpoints("ports: [{port: 0}]"), "ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
		{"endpoint port twice", endpoints("ports: [{port: 80}, {port: 81}]"), `ports[1].name: Duplicate value: ""`},
		{"zone", endpoints("endpoints: [{addresses: [10.0.0.1], hints: {forZones: [{name: 'a b'}]}}]"), "endpoints[0].hints.forZones[0].name: Invalid value: \"a b\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, map[string]string{"a.yaml": test.text})
			_, problems, err := LoadOnce([]string{dir})
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, p := range problems {
				lines = append(lines, p.Field+": "+p.Reason)
			}
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestServiceDefaults has the values of an API server's Service for the same
// manifest.
func TestServiceDefaults(t *testing.T) {
	dir := write(t, map[string]string{
		"a.yaml": service("type: LoadBalancer\nsessionAffinity: ClientIP\nclusterIPs: [10.96.0.1, 'fd00::1']") +
			"status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n---\n" + endpoints("ports: [{port: 80}, {name: dns, protocol: UDP, port: 53}]"),
	})
	events, problems, err := LoadOnce([]string{dir})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var service *corev1.Service
	var slice *discoveryv1.EndpointSlice
	for _, e := range events {
		switch object := e.Object.(type) {
		case *corev1.Service:
			service = object
		case *discoveryv1.EndpointSlice:
			slice = object
		}
	}
	if service == nil || slice == nil {
		t.Fatalf("the events hold Service %v and EndpointSlice %v", service, slice)
	}
	got := string(encode(service.Spec)) + string(encode(service.Status))
	want := `{"ports":[{"protocol":"TCP","port":80,"targetPort":80}],"clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd00::1"],"type":"LoadBalancer",` +
		`"sessionAffinity":"ClientIP","externalTrafficPolicy":"Cluster","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},` +
		`"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack","internalTrafficPolicy":"Cluster"}` +
		`{"loadBalancer":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]}}`
	if got != want {
		t.Errorf("Service\n%s\nwant\n%s", got, want)
	}
	if got, want := string(encode(slice.Ports)), `[{"name":"","protocol":"TCP","port":80},{"name":"dns","protocol":"UDP","port":53}]`; got != want {
		t.Errorf("EndpointSlice ports %s, want %s", got, want)
	}
}
