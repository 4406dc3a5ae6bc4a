package proxy

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

func TestListing(t *testing.T) {
	w := newWorld(Options{})
	w.Apply(parse(t, strings.Join([]string{
		web("internalTrafficPolicy: Local\ntype: LoadBalancer\nexternalIPs: [10.96.0.2]\nsessionAffinity: ClientIP\nloadBalancerSourceRanges: [10.0.0.0/8]") +
			"\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}",
		webNamed("api", "10.96.0.2", ""), webNamed("db", "None", ""),
		sliceOf("web-1", ready("10.0.0.1", "here")+ready("10.0.0.2", "there")+ending("10.0.0.3", "there")+endpointWith("10.0.0.4", "here", "conditions: {ready: false}")),
	}, "\n---\n")))
	w.flush(t)
	text, err := json.Marshal(w.Services())
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"namespace":"shop","name":"api","ports":[{"name":"80","protocol":"TCP","family":"IPv4","port":80,"frontends":[{"address":"10.96.0.2:80","kind":"ClusterIP"}],"endpoints":[]}]},` +
		`{"namespace":"shop","name":"db","leftAlone":"headless"},` +
		`{"namespace":"shop","name":"web","ports":[{"name":"80","protocol":"TCP","family":"IPv4","port":80,"frontends":[` +
		`{"address":"10.96.0.1:80","kind":"ClusterIP","local":true},{"address":"10.96.0.2:80","kind":"ExternalIP","servedFor":"shop/api"},` +
		`{"address":"192.0.2.1:80","kind":"LoadBalancer","sources":["10.0.0.0/8"]}],"endpoints":[` +
		`{"address":"10.0.0.1:8080","node":"here","state":"ready","used":"all"},{"address":"10.0.0.2:8080","node":"there","state":"ready","used":"cluster"},` +
		`{"address":"10.0.0.3:8080","node":"there","state":"terminating","used":"none"},{"address":"10.0.0.4:8080","node":"here","state":"not ready","used":"none"}],"affinitySeconds":10800}],` +
		`"problems":[{"object":"Service shop/web","field":"spec.externalIPs[0]","reason":"10.96.0.2:80/TCP belongs to Service shop/api, whose ClusterIP it is: give this one another address or port"}]}]`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if got, want := w.Counts(), (Counts{Services: 3, LeftAlone: 1, Ports: 3, Backends: 3}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestAt(t *testing.T) {
	w := newWorld(Options{})
	w.Apply(parse(t, web("internalTrafficPolicy: Local\nexternalIPs: [192.0.2.1]")+"\n---\n"+sliceOf("web-1", ready("10.0.0.1", "here")+ready("10.0.0.2", "there"))))
	w.flush(t)
	for _, test := range []struct {
		address  string
		protocol abi.Protocol
		want     string
	}{
		{"10.96.0.1:80", abi.TCP, "shop/web:80/TCP/IPv4/local 10.96.0.1:80 -> 10.0.0.1:8080"},
		{"192.0.2.1:80", abi.TCP, "shop/web:80/TCP/IPv4 192.0.2.1:80 -> 10.0.0.1:8080 10.0.0.2:8080"},
		{"10.96.0.1:81", abi.TCP, ""},
		{"10.96.0.1:80", abi.UDP, ""},
	} {
		got := ""
		if p, ok := w.At(test.protocol, netip.MustParseAddrPort(test.address)); ok {
			got = line(p)
		}
		if got != test.want {
			t.Errorf("%s %v: got %q, want %q", test.address, test.protocol, got, test.want)
		}
	}
}

func TestClusterIPs(t *testing.T) {
	w := newWorld(Options{})
	w.Apply(parse(t, web("clusterIP: 'fd00::1'\nclusterIPs: ['fd00::1', 10.96.0.1]\nports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]\nexternalIPs: [192.0.2.1]")+"\n---\n"+webNamed("db", "None", "")))
	reached, err := w.ClusterIPs("shop", "web")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range reached {
		got = append(got, r.Port+" "+r.Address.String()+" "+protocolName(r.Protocol))
	}
	if got, want := strings.Join(got, ", "), "http 10.96.0.1:80 TCP, dns 10.96.0.1:53 UDP, http [fd00::1]:80 TCP, dns [fd00::1]:53 UDP"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"none": "there is no Service shop/none",
		"db":   "Service shop/db is left alone (headless): ask about an address",
	} {
		if _, err := w.ClusterIPs("shop", name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
