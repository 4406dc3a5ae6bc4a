package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/proxy"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
)

const (
	webService = `{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
  spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}], externalIPs: [192.0.2.1], sessionAffinity: ClientIP%s}}`
	webSlice = `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: shop, name: web-1, labels: {kubernetes.io/service-name: web}},
  addressType: IPv4, ports: [{name: http, port: 8080}], endpoints: [%s]}`
)

// What the API allots and fills in is what the model of Services reads.
func TestServicesOfTheAPI(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	w.apply(namespace, "shop")
	written := w.apply(webService, "")
	spec := written.Object["spec"].(map[string]any)
	clusterIP := spec["clusterIP"].(string)
	w.apply(webSlice, `{addresses: [10.1.0.1], nodeName: here, conditions: {ready: true}}, {addresses: [10.1.0.2], nodeName: there, conditions: {ready: false}}`)
	_, r, _ := follow(t, cluster.KubernetesOptions{Config: connect(t, api.Admin()), NodeName: "here", Services: true})
	r.await("the first complete list", func() bool { return r.synced })

	// ports are what a node that starts now would serve of the Service.
	ports := func() string {
		m := proxy.New(proxy.Options{NodeName: "here"})
		for _, e := range r.objects {
			m.Apply([]cluster.Event{e})
		}
		var lines []string
		for _, p := range m.Flush().Put {
			if strings.HasPrefix(p.Name, "shop/") {
				var at []string
				for _, f := range p.Frontends {
					at = append(at, f.Address.String())
				}
				lines = append(lines, fmt.Sprintf("%s %v %v %v", p.Name, at, p.Backends, p.Affinity))
			}
		}
		slices.Sort(lines)
		return strings.Join(append(lines, fmt.Sprint(m.Problems())), "\n")
	}
	at := "[" + clusterIP + ":80 192.0.2.1:80]"
	expect := func(what, want string) {
		t.Helper()
		r.await(what+": "+want, func() bool { return ports() == want })
	}
	expect("at first", "shop/web:http/TCP/IPv4 "+at+" [10.1.0.1:8080] 3h0m0s\n[]")
	w.apply(webSlice, `{addresses: [10.1.0.1], nodeName: here, conditions: {ready: true}}, {addresses: [10.1.0.2], nodeName: there, conditions: {ready: true}}`)
	expect("another endpoint", "shop/web:http/TCP/IPv4 "+at+" [10.1.0.1:8080 10.1.0.2:8080] 3h0m0s\n[]")
	w.apply(webService, ", internalTrafficPolicy: Local")
	expect("local", "shop/web:http/TCP/IPv4 [192.0.2.1:80] [10.1.0.1:8080 10.1.0.2:8080] 3h0m0s\n"+
		"shop/web:http/TCP/IPv4/local ["+clusterIP+":80] [10.1.0.1:8080] 3h0m0s\n[]")
	w.delete(webSlice, "")
	expect("no endpoints", "shop/web:http/TCP/IPv4 [192.0.2.1:80] [] 3h0m0s\nshop/web:http/TCP/IPv4/local ["+clusterIP+":80] [] 3h0m0s\n[]")
	w.delete(webService, "")
	expect("no Service", "[]")
}
