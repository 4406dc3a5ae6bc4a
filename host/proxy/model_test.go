package proxy

import (
	"strings"
	"testing"
)

// Each case is some objects and what they come to. The texts beside them say
// where the rule comes from.
func TestServices(t *testing.T) {
	one := sliceOf("web-1", ready("10.0.0.1", "here")+ready("10.0.0.2", "there"))
	const here = "10.0.0.1:8080"
	const both = here + " 10.0.0.2:8080"
	node := "kind: Node\nmetadata: {name: here, labels: {topology.kubernetes.io/zone: east}}"
	for _, test := range []struct {
		name    string
		objects []string
		want    string
	}{
		{"cluster IP", []string{web(""), one}, web80 + " -> " + both},
		{"no Service yet", []string{one}, ""},
		{"no slices", []string{web("")}, web80 + " -> refuse"},
		{"headless", []string{web("clusterIP: None"), one}, ""},
		{"external name", []string{web("clusterIP: ''\ntype: ExternalName\nexternalName: example.org"), one}, ""},
		{"another proxy's", []string{strings.Replace(web(""), "name: web", "name: web, labels: {service.kubernetes.io/service-proxy-name: ''}", 1), one}, ""},
		{"another proxy's, in short", []string{strings.Replace(web(""), "name: web", "name: web, labels: {kubernetes.io/service-proxy-name: mesh}", 1), one}, ""},
		{"slice of a headless Service", []string{web(""), strings.Replace(one, "labels: {", "labels: {service.kubernetes.io/headless: '', ", 1)}, web80 + " -> refuse"},
		{"names as addresses", []string{web(""), strings.Replace(one, "IPv4", "FQDN", 1)}, web80 + " -> refuse"},

		{"many slices", []string{web(""), one, sliceOf("web-2", ready("10.0.0.3", "there")), sliceOf("web-0", ready("10.0.0.4", "there"))}, web80 + " -> " + both + " 10.0.0.3:8080 10.0.0.4:8080"},
		{"in two slices", []string{web(""), one, sliceOf("web-2", ready("10.0.0.1", "here"))}, web80 + " -> " + both},
		{"one address, running and terminating", []string{web(""), one, sliceOf("web-2", ending("10.0.0.1", "there"))}, web80 + " -> " + both},
		{"the same the other way round", []string{web(""), one, sliceOf("web-0", ending("10.0.0.1", "there"))}, web80 + " -> " + both},
		{"only the first address", []string{web(""), sliceOf("web-1", "- {addresses: [10.0.0.1, 10.0.0.9], conditions: {}}")}, web80 + " -> " + here},

		{"conditions left out mean ready", []string{web(""), sliceOf("web-1", "- {addresses: [10.0.0.1]}")}, web80 + " -> " + here},
		{"not ready", []string{web(""), sliceOf("web-1", endpointWith("10.0.0.1", "here", "conditions: {ready: false}"))}, web80 + " -> refuse"},
		{"not ready, published", []string{web("publishNotReadyAddresses: true"), sliceOf("web-1", endpointWith("10.0.0.1", "here", "conditions: {ready: true, serving: false}"))}, web80 + " -> " + here},
		{"terminating beside ready", []string{web(""), sliceOf("web-1", ending("10.0.0.1", "here")+ready("10.0.0.2", "there"))}, web80 + " -> 10.0.0.2:8080"},
		{"only terminating", []string{web(""), sliceOf("web-1", ending("10.0.0.1", "here")+ending("10.0.0.2", "there"))}, web80 + " -> " + both},
		{"terminating and not serving", []string{web(""), sliceOf("web-1", endpointWith("10.0.0.1", "here", "conditions: {ready: false, serving: false, terminating: true}"))}, web80 + " -> refuse"},

		{"internal policy Local", []string{web("internalTrafficPolicy: Local"), one}, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> " + here},
		{"internal policy Local, none here", []string{web("internalTrafficPolicy: Local"), sliceOf("web-1", ready("10.0.0.2", "there"))}, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> drop"},
		{"internal policy Local, none anywhere", []string{web("internalTrafficPolicy: Local")}, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> refuse"},
		{"internal policy Local, terminating here", []string{web("internalTrafficPolicy: Local"), sliceOf("web-1", ending("10.0.0.1", "here")+ready("10.0.0.2", "there"))}, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> " + here},
		{"internal policy Local is for the cluster IP", []string{web("internalTrafficPolicy: Local\nexternalIPs: [192.0.2.1]"), one}, "shop/web:80/TCP/IPv4 192.0.2.1:80 -> " + both + "\nshop/web:80/TCP/IPv4/local 10.96.0.1:80 -> " + here},
		{"external policy Local is not for Pods", []string{web("type: LoadBalancer\nexternalTrafficPolicy: Local\nexternalIPs: [192.0.2.1]"), sliceOf("web-1", ready("10.0.0.2", "there"))}, web80 + " 192.0.2.1:80 -> 10.0.0.2:8080"},

		{"external IPs", []string{web("externalIPs: [192.0.2.1, 192.0.2.2]"), one}, web80 + " 192.0.2.1:80 192.0.2.2:80 -> " + both},
		{"load balancer", []string{web("type: LoadBalancer") + "\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {ip: 192.0.2.2, ipMode: VIP}, {ip: 192.0.2.3, ipMode: Proxy}, {hostname: lb.example.org}]}}", one}, web80 + " 192.0.2.1:80 192.0.2.2:80 -> " + both},
		{"source ranges", []string{web("type: LoadBalancer\nexternalIPs: [192.0.2.9]\nloadBalancerSourceRanges: [' 10.0.0.0/8 ', 192.0.2.0/24, 'fd00::/8']") + "\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", one}, web80 + " 192.0.2.9:80 192.0.2.1:80[from 10.0.0.0/8,192.0.2.0/24] -> " + both},
		{"source ranges for all", []string{web("type: LoadBalancer\nloadBalancerSourceRanges: [10.0.0.0/8, 0.0.0.0/0]") + "\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", one}, web80 + " 192.0.2.1:80 -> " + both},
		{"source ranges of the other family", []string{web("type: LoadBalancer\nloadBalancerSourceRanges: ['fd00::/8']") + "\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", one}, web80 + " 192.0.2.1:80 -> " + both},
		{"one address as both", []string{web("type: LoadBalancer\nexternalIPs: [192.0.2.1]\nloadBalancerSourceRanges: [10.0.0.0/8]") + "\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}", one}, web80 + " 192.0.2.1:80[from 10.0.0.0/8] -> " + both},
		{"node port alone is left to the node", []string{web("type: NodePort\nports: [{port: 80, nodePort: 30080}]"), one}, web80 + " -> " + both},

		{"affinity", []string{web("sessionAffinity: ClientIP"), one}, web80 + " -> " + both + " affinity=3h0m0s"},
		{"affinity of a minute", []string{web("sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}"), one}, web80 + " -> " + both + " affinity=1m0s"},

		{"many ports", []string{
			web("ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}, {name: sig, port: 1, protocol: SCTP}]"),
			strings.Replace(one, "{name: '', port: 8080}", "{name: http, port: 81}, {name: dns, port: 54, protocol: UDP}, {name: dns, port: 99}, {name: other, port: 7}, {name: sig, port: 2, protocol: SCTP}", 1),
		}, "shop/web:dns-tcp/TCP/IPv4 10.96.0.1:53 -> refuse\nshop/web:dns/UDP/IPv4 10.96.0.1:53 -> 10.0.0.1:54 10.0.0.2:54\nshop/web:http/TCP/IPv4 10.96.0.1:80 -> 10.0.0.1:81 10.0.0.2:81\nshop/web:sig/SCTP/IPv4 10.96.0.1:1 -> 10.0.0.1:2 10.0.0.2:2"},
		{"a named target port is one number per slice", []string{web("ports: [{port: 80, targetPort: http}]"), one, strings.Replace(sliceOf("web-2", ready("10.0.0.3", "there")), "8080", "9090", 1)}, web80 + " -> " + both + " 10.0.0.3:9090"},
		{"a port that is not restricted", []string{web(""), strings.Replace(one, ", port: 8080", "", 1)}, web80 + " -> refuse"},

		{"both families", []string{
			web("clusterIP: 10.96.0.1\nclusterIPs: [10.96.0.1, 'fd00::1']\nipFamilies: [IPv4, IPv6]\nexternalIPs: ['2001:db8::1', 192.0.2.1]"), one,
			strings.NewReplacer("web-1", "web-6", "IPv4", "IPv6", "10.0.0.1", "fd00::a").Replace(sliceOf("web-1", ready("10.0.0.1", "here"))),
		}, web80 + " 192.0.2.1:80 -> " + both + "\nshop/web:80/TCP/IPv6 [fd00::1]:80 [2001:db8::1]:80 -> [fd00::a]:8080"},
		{"IPv6 first", []string{web("clusterIP: 'fd00::1'\nclusterIPs: ['fd00::1', 10.96.0.1]"), one}, web80 + " -> " + both + "\nshop/web:80/TCP/IPv6 [fd00::1]:80 -> refuse"},
		{"one cluster IP in the old field", []string{web("clusterIP: 'fd00::1'")}, "shop/web:80/TCP/IPv6 [fd00::1]:80 -> refuse"},
		{"addresses of old", []string{web("clusterIP: 010.096.0.1"), strings.Replace(one, `"10.0.0.1"`, "'::ffff:10.0.0.1'", 1)}, web80 + " -> " + both},

		{"hint for the zone", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forZones: [{name: west}, {name: east}]}")+endpointWith("10.0.0.2", "b", "hints: {forZones: [{name: west}]}"))}, web80 + " -> " + here},
		{"hint that one lacks", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forZones: [{name: east}]}")+endpointWith("10.0.0.2", "b", "hints: {}"))}, web80 + " -> " + both},
		{"hint for other zones alone", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forZones: [{name: west}]}")+endpointWith("10.0.0.2", "b", "hints: {forZones: [{name: west}]}"))}, web80 + " -> " + both},
		{"hint for the zone of a node that has none", []string{"kind: Node\nmetadata: {name: here}", web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forZones: [{name: east}]}")+endpointWith("10.0.0.2", "b", "hints: {forZones: [{name: west}]}"))}, web80 + " -> " + both},
		{"hint of what is not ready", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forZones: [{name: west}]}")+endpointWith("10.0.0.2", "b", "conditions: {ready: false}, hints: {forZones: [{name: east}]}"))}, web80 + " -> " + here},
		{"hint for the node", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forNodes: [{name: here}], forZones: [{name: west}]}")+endpointWith("10.0.0.2", "b", "hints: {forNodes: [{name: there}], forZones: [{name: east}]}"))}, web80 + " -> " + here},
		{"hint for the node that one lacks", []string{web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {}")+endpointWith("10.0.0.2", "b", "hints: {forNodes: [{name: here}]}"))}, web80 + " -> " + both},
		{"hint for the zone that the first lacks", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {}")+endpointWith("10.0.0.2", "b", "hints: {forZones: [{name: east}]}"))}, web80 + " -> " + both},
		{"hint for another node, and the zone", []string{node, web(""), sliceOf("web-1", endpointWith("10.0.0.1", "a", "hints: {forNodes: [{name: there}], forZones: [{name: west}]}")+endpointWith("10.0.0.2", "b", "hints: {forNodes: [{name: there}], forZones: [{name: east}]}"))}, web80 + " -> 10.0.0.2:8080"},
		{"hints are not for the policy Local", []string{node, web("internalTrafficPolicy: Local"), sliceOf("web-1", endpointWith("10.0.0.1", "here", "hints: {forZones: [{name: west}]}")+endpointWith("10.0.0.2", "b", "hints: {forZones: [{name: east}]}"))}, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> " + here},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(Options{})
			w.Apply(parse(t, strings.Join(test.objects, "\n---\n")))
			w.flush(t)
			if got := w.shown(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if problems := w.Problems(); len(problems) > 0 {
				t.Errorf("problems %v", problems)
			}
		})
	}
}

// What is wrong is named, and the rest works.
func TestProblems(t *testing.T) {
	one := sliceOf("web-1", ready("10.0.0.1", "here"))
	const served = web80 + " -> 10.0.0.1:8080"
	for _, test := range []struct {
		name, objects, want, ports string
	}{
		{"no address", web("clusterIP: there"), `Service shop/web: spec.clusterIP: "there" is not the IP address of one host: it is not served`, ""},
		{"two of a family", web("clusterIP: 10.96.0.1\nclusterIPs: [10.96.0.1, 10.96.0.2]"), "Service shop/web: spec.clusterIPs[1]: 10.96.0.2 is a second IPv4 address: the first one is served", served},
		{"family of the other", web("clusterIP: 10.96.0.1\nclusterIPs: [10.96.0.1, 'fd00::1']\nipFamilies: [IPv4, IPv4]"), "Service shop/web: spec.clusterIPs[1]: fd00::1 is not of the family IPv4 that spec.ipFamilies[1] says: it is not served", served},
		{"external IP of the other family", web("externalIPs: ['2001:db8::1', 192.0.2.1]"), "Service shop/web: spec.externalIPs[0]: 2001:db8::1 is IPv6 and the Service has no ClusterIP of that family: it is not served; make the Service dual-stack or remove it", web80 + " 192.0.2.1:80 -> 10.0.0.1:8080"},
		{"external IP of many", web("externalIPs: [224.0.0.1]"), `Service shop/web: spec.externalIPs[0]: "224.0.0.1" is not the IP address of one host: it is not served`, served},
		{"loopback as an endpoint", web("") + "\n---\n" + sliceOf("web-2", endpointWith("127.0.0.1", "here", "conditions: {}")), `EndpointSlice shop/web-2: endpoints[0].addresses[0]: "127.0.0.1" is not the IP address of one host: the endpoint is not used`, served},
		{"external IP", web("externalIPs: [there, '']"), `Service shop/web: spec.externalIPs[0]: "there" is not the IP address of one host: it is not served`, served},
		{"port 0", web("ports: [{name: '', port: 80}, {name: b, port: 0}, {name: c, port: 65536}]"), "Service shop/web: spec.ports[1].port: 0 is no port: write one from 1 to 65535\nService shop/web: spec.ports[2].port: 65536 is no port: write one from 1 to 65535", served},
		{"port twice", web("ports: [{name: '', port: 80}, {name: b, port: 80}]"), "Service shop/web: spec.ports[1].port: 80/TCP is given twice: the first one is served, remove this one", served},
		{"port name twice", web("ports: [{name: '', port: 80}, {name: '', port: 81}]"), `Service shop/web: spec.ports[1].name: "" is given twice: the first one is served, give this one another name`, served},
		{"protocol", web("ports: [{name: '', port: 80}, {name: b, port: 81, protocol: HTTP}]"), `Service shop/web: spec.ports[1].protocol: "HTTP" is none of TCP, UDP and SCTP: the port is not served`, served},
		{
			"source range", web("type: LoadBalancer\nloadBalancerSourceRanges: [everywhere]") + "\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}",
			`Service shop/web: spec.loadBalancerSourceRanges[0]: "everywhere" is no CIDR, and lets nobody in: write one, such as 10.0.0.0/8`, web80 + " 192.0.2.1:80[from ] -> 10.0.0.1:8080",
		},
		{"affinity of a day", web("sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}"), "Service shop/web: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86400 is longer than the switch remembers a client: it is forgotten after 65535 s", served + " affinity=18h12m15s"},
		{"endpoint of the other family", web("") + "\n---\n" + sliceOf("web-2", endpointWith("fd00::1", "here", "conditions: {}")), "EndpointSlice shop/web-2: endpoints[0].addresses[0]: fd00::1 is not of the family IPv4 that addressType says: the endpoint is not used", served},
		{"endpoint", web("") + "\n---\n" + sliceOf("web-2", endpointWith("there", "here", "conditions: {}")), `EndpointSlice shop/web-2: endpoints[0].addresses[0]: "there" is not the IP address of one host: the endpoint is not used`, served},
		{"endpoint port 0", web("") + "\n---\n" + strings.Replace(sliceOf("web-2", ready("10.0.0.2", "here")), "8080", "0", 1), "EndpointSlice shop/web-2: ports[0].port: 0 is no port: the endpoints are not used for it; write one from 1 to 65535", served},
		{"endpoint port twice", web("") + "\n---\n" + strings.Replace(sliceOf("web-2", ready("10.0.0.1", "here")), "port: 8080}", "port: 8080}, {name: '', port: 9090}", 1), `EndpointSlice shop/web-2: ports[1].name: "" is given twice: the first one counts`, served},
		{"what is left alone has no problems", web("clusterIP: None\nports: [{port: 0}]\nexternalIPs: [there]"), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(Options{})
			w.Apply(parse(t, one+"\n---\n"+test.objects))
			w.flush(t)
			if got := join(w.Problems(), "\n"); got != test.want {
				t.Errorf("problems\n%s\nwant\n%s", got, test.want)
			}
			if got := w.shown(); got != test.ports {
				t.Errorf("ports\n%s\nwant\n%s", got, test.ports)
			}
		})
	}
}

// Of two Services that claim an address one is served, whichever came first, and
// the other takes over when it goes.
func TestClaims(t *testing.T) {
	old := strings.Replace(webNamed("old", "10.96.0.1", ""), "name: old", "name: old, creationTimestamp: 2020-01-01T00:00:00Z", 1)
	young := strings.Replace(web("externalIPs: [192.0.2.1]"), "name: web", "name: web, creationTimestamp: 2021-01-01T00:00:00Z", 1)
	const lost = "Service shop/web: spec.clusterIP: 10.96.0.1:80/TCP belongs to Service shop/old, which is older: give this one another address or port"
	for _, order := range [][]string{{old, young}, {young, old}} {
		w := newWorld(Options{})
		for _, text := range order {
			w.Apply(parse(t, text))
			w.flush(t)
		}
		if got, want := w.shown(), "shop/old:80/TCP/IPv4 10.96.0.1:80 -> refuse\nshop/web:80/TCP/IPv4 192.0.2.1:80 -> refuse"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if got := join(w.Problems(), "\n"); got != lost {
			t.Errorf("problems\n%s\nwant\n%s", got, lost)
		}
		w.Apply([]event{deleted(parse(t, old)[0])})
		changes := w.flush(t)
		if got, want := w.shown(), web80+" 192.0.2.1:80 -> refuse"; got != want {
			t.Errorf("after the older went\n%s\nwant\n%s", got, want)
		}
		if got := strings.Join(changes.Delete, " "); got != "shop/old:80/TCP/IPv4" {
			t.Errorf("deleted %s", got)
		}
		if problems := w.Problems(); len(problems) > 0 {
			t.Errorf("problems %v", problems)
		}
	}
}

// Anybody who may write a Service may write an external IP: it takes no cluster
// IP from anybody, however old it is.
func TestClusterIPComesBeforeExternalIP(t *testing.T) {
	thief := strings.Replace(webNamed("thief", "10.96.0.2", "externalIPs: [10.96.0.1]"), "name: thief", "name: thief, creationTimestamp: 2000-01-01T00:00:00Z", 1)
	w := newWorld(Options{})
	w.Apply(parse(t, thief))
	w.flush(t)
	w.Apply(parse(t, strings.Replace(web(""), "name: web", "name: web, creationTimestamp: 2021-01-01T00:00:00Z", 1)))
	w.flush(t)
	if got, want := w.shown(), "shop/thief:80/TCP/IPv4 10.96.0.2:80 -> refuse\n"+web80+" -> refuse"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want := "Service shop/thief: spec.externalIPs[0]: 10.96.0.1:80/TCP belongs to Service shop/web, whose ClusterIP it is: give this one another address or port"
	if got := join(w.Problems(), "\n"); got != want {
		t.Errorf("problems\n%s\nwant\n%s", got, want)
	}
}

// A change says no more than has changed.
func TestChangesAreSmall(t *testing.T) {
	w := newWorld(Options{})
	w.Apply(parse(t, web("externalIPs: [192.0.2.1]")+"\n---\n"+webNamed("api", "10.96.0.2", "")+"\n---\n"+sliceOf("web-1", ready("10.0.0.1", "here"))))
	if c := w.flush(t); len(c.Put) != 2 || len(c.Delete) != 0 {
		t.Errorf("at first: %+v", c)
	}
	for _, step := range []struct {
		name, objects string
		puts, deletes int
	}{
		{"an endpoint comes", sliceOf("web-1", ready("10.0.0.1", "here")+ready("10.0.0.2", "here")), 1, 0},
		{"the same again", sliceOf("web-1", ready("10.0.0.1", "here")+ready("10.0.0.2", "here")), 0, 0},
		{"the node moves", sliceOf("web-1", ready("10.0.0.1", "there")+ready("10.0.0.2", "here")), 0, 0},
		{"an endpoint moves to another slice", sliceOf("web-1", ready("10.0.0.1", "there")) + "\n---\n" + sliceOf("web-2", ready("10.0.0.2", "here")), 0, 0},
		{"an external IP goes to nobody", web(""), 1, 0},
		{"and to another", webNamed("api", "10.96.0.2", "externalIPs: [192.0.2.1]"), 1, 0},
		{"and back", web("externalIPs: [192.0.2.1]") + "\n---\n" + webNamed("api", "10.96.0.2", ""), 2, 1},
		{"becomes headless", web("clusterIP: None"), 0, 1},
	} {
		w.Apply(parse(t, step.objects))
		if c := w.flush(t); len(c.Put) != step.puts || len(c.Delete) != step.deletes {
			t.Errorf("%s: %d puts and %d deletes, want %d and %d: %+v", step.name, len(c.Put), len(c.Delete), step.puts, step.deletes, c)
		}
	}
}
