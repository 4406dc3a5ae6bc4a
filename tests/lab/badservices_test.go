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

// TestBadServices: what is wrong with a Service or an EndpointSlice is said of that
// object and field, what was in force of it stays, and all the rest works.
func TestBadServices(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", servicePods)}})
	addresses := map[string][]netip.Addr{}
	for _, p := range l.Plan().Pods {
		addresses[p.Key()] = p.Addresses
	}
	service := func(n int, old, now string) string {
		return strings.Replace(serviceAt(fmt.Sprintf("s%d", n), n, ""), old, now, 2)
	}
	slice := func(n int, by, old, now string) string {
		name := fmt.Sprintf("s%d", n)
		return strings.Replace(sliceOf(name+"-1", name, 0, addresses, []string{by}), old, now, 1)
	}
	six, two := fmt.Sprintf("%q", addresses["shop/c"][1]), "ports: [{name: tcp, port: 80}, "
	for _, test := range []struct {
		name           string
		service, slice [2]string // what is replaced in the good one, by what
		field          string
		reason         string
		fresh          bool // nothing of it has been in force before
	}{
		{name: "port 0", service: [2]string{"port: 80", "port: 0"}, field: "spec.ports[0].port", reason: "between 1 and 65535"},
		{name: "port 0 from the start", service: [2]string{"port: 80", "port: 0"}, field: "spec.ports[0].port", reason: "between 1 and 65535", fresh: true},
		{name: "a port twice", service: [2]string{"ports: [", "ports: [{name: again, port: 80}, "}, field: "spec.ports[1].port", reason: "80/TCP"},
		{name: "a port's name twice", service: [2]string{"ports: [", "ports: [{name: tcp, port: 81}, "}, field: "spec.ports[1].name", reason: "tcp"},
		{name: "a ClusterIP that is none", service: [2]string{"10.96.0.", "10.96."}, field: "spec.clusterIPs[0]", reason: "valid IP"},
		{name: "an endpoint of the wrong family", slice: [2]string{`["` + addresses["shop/c"][0].String() + `"]`, "[" + six + "]"}, field: "endpoints[0].addresses[0]", reason: "IPv4"},
		{name: "an endpoint that is no host", slice: [2]string{addresses["shop/c"][0].String(), "127.0.0.1"}, field: "endpoints[0].addresses[0]", reason: "loopback"},
		{name: "an endpoint's port 0", slice: [2]string{"port: 8080", "port: 0"}, field: "ports[0].port", reason: "between 1 and 65535"},
		{name: "an endpoint's port twice", slice: [2]string{"ports: [", two}, field: "ports[1].name", reason: "tcp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ask := asking{t, l}
			first := []string{service(2, "", ""), slice(2, "shop/a", "", "")}
			if !test.fresh {
				first = append(first, service(1, "", ""), slice(1, "shop/c", "", ""))
			}
			ask.apply(first...)
			// What is wrong stands first, and what comes after it has changed too.
			ask.apply(service(1, test.service[0], test.service[1]), slice(1, "shop/c", test.slice[0], test.slice[1]), service(2, "", ""), slice(2, "shop/b", "", ""))
			answered("shop/b")(t, ask.ask(t, "shop/d", "s2", "10.96.0.2", "TCP"))
			if !test.fresh {
				answered("shop/c")(t, ask.ask(t, "shop/d", "s1", "10.96.0.1", "TCP"))
			}
			problems, err := l.Problems(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			object := "Service shop/s1"
			if test.slice[0] != "" {
				object = "EndpointSlice shop/s1-1"
			}
			if !slices.ContainsFunc(problems, func(p lab.Problem) bool {
				return p.Object == object && p.Field == test.field && strings.Contains(p.Reason, test.reason)
			}) {
				t.Errorf("problems %+v, want one with %s, %s, %q", problems, object, test.field, test.reason)
			}
			ask.apply() // nothing is left for the next one
		})
	}
}

// TestServicesThatClaimOneAddress: the older one is served there, the other one at
// what it has of its own, and takes over when the first one goes.
func TestServicesThatClaimOneAddress(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", servicePods)}})
	addresses := map[string][]netip.Addr{}
	for _, p := range l.Plan().Pods {
		addresses[p.Key()] = p.Addresses
	}
	ask := asking{t, l}
	born := func(service, year string) string {
		return strings.Replace(service, "namespace: shop}", `namespace: shop, creationTimestamp: "`+year+`-01-01T00:00:00Z"}`, 1)
	}
	of := func(service, by string) string {
		return sliceOf(service+"-4", service, 0, addresses, []string{by}) + "---" + sliceOf(service+"-6", service, 1, addresses, []string{by})
	}
	// Younger is at the IPv4 address of older, and at an IPv6 address of its own; outer
	// has it as an external IP, and is older than both.
	younger := born(strings.Replace(serviceAt("younger", 2, ""), "10.96.0.2", "10.96.0.1", 2), "2021") + "---" + of("younger", "shop/c")
	older := born(serviceAt("older", 1, ""), "2020") + "---" + of("older", "shop/a")
	outer := born(serviceAt("outer", 3, "externalIPs: [10.96.0.1]"), "2019") + "---" + of("outer", "shop/b")
	expect := func(at, by string) {
		t.Helper()
		answered(by)(t, ask.ask(t, "shop/d", "any", at, "TCP"))
	}
	ask.apply(outer, younger, older)
	expect("10.96.0.1", "shop/a")
	expect("fd00:10:96::1", "shop/a")
	expect("fd00:10:96::2", "shop/c")
	expect("10.96.0.3", "shop/b")
	says(t, l, "west", []string{"services", "shop/younger"}, "not served: Service shop/younger: spec.clusterIPs[0]: 10.96.0.1:80/TCP belongs to Service shop/older, which is older: give this one another address or port")
	says(t, l, "west", []string{"services", "shop/outer"}, "not served: Service shop/outer: spec.externalIPs[0]: 10.96.0.1:80/TCP belongs to Service shop/older, whose ClusterIP it is")
	ask.apply(younger, outer)
	expect("10.96.0.1", "shop/c")
	ask.apply(outer)
	expect("10.96.0.1", "shop/b")
	expect("10.96.0.3", "shop/b")
}
