package lab

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func probe(from, to, address, protocol string, port uint16, connected bool) Probe {
	return Probe{From: from, To: to, Address: address, Protocol: protocol, Port: port, Connected: connected, Millis: 0.4}
}

func sample() *Matrix {
	return &Matrix{
		Probes: []Probe{
			probe("a/web", "a/db", "10.1.0.2", "TCP", 5432, true),
			probe("a/web", "a/db", "fd00::2", "TCP", 5432, true),
			probe("a/web", "a/db", "10.1.0.2", "TCP", 9187, false),
			probe("a/web", "a/db", "fd00::2", "TCP", 9187, false),
			probe("host", "a/db", "10.1.0.2", "TCP", 5432, true),
			probe("host", "a/db", "fd00::2", "TCP", 5432, false),
			probe("host", "a/web", "10.1.0.3", "UDP", 53, true),
		},
		Nodes: []NodePlan{{
			Name: "node1", Addresses: []netip.Addr{netip.MustParseAddr("192.168.100.2")},
			PodSubnets: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")},
		}},
		Unusable: []Unusable{{From: "a/web", To: "external", Address: "203.0.113.10", Protocol: "TCP", Port: 7, Reason: "connection refused"}},
	}
}

func TestTable(t *testing.T) {
	tests := []struct {
		name  string
		style TableStyle
		want  string
	}{
		{"symbols", TableStyle{}, `
       a/db                a/web   external
from   5432/TCP  9187/TCP  53/UDP  7/TCP
a/web  ✓         ✗                 –
host   ✓v4                 ✓

7 probes: ✓ 4 connected, ✗ 3 refused; – 1 more did not connect with no policy in force either
unusable: a/web -> external 203.0.113.10 port 7/TCP: connection refused
`},
		{"ASCII, folded", TableStyle{ASCII: true, Width: 30}, `
       a/db
from   5432/TCP  9187/TCP
a/web  yes       .
host   yesv4

       a/web   external
from   53/UDP  7/TCP
a/web          ?
host   yes

7 probes: yes 4 connected, . 3 refused; ? 1 more did not connect with no policy in force either
unusable: a/web -> external 203.0.113.10 port 7/TCP: connection refused
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := sample().WriteTable(&out, test.style); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != strings.TrimPrefix(test.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
		})
	}
}

// The form is a promise to programs that read it.
func TestMatrixJSON(t *testing.T) {
	matrix := &Matrix{Probes: []Probe{probe("ns/pod", "ns/pod", "10.1.0.3", "TCP", 80, true)}, Nodes: sample().Nodes}
	var out bytes.Buffer
	if err := matrix.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, out.Bytes()); err != nil {
		t.Fatal(err)
	}
	const want = `{"probes":[{"from":"ns/pod","to":"ns/pod","address":"10.1.0.3","protocol":"TCP","port":80,"connected":true,"millis":0.4}],` +
		`"nodes":[{"name":"node1","addresses":["192.168.100.2"],"podSubnets":["10.1.0.0/24"]}]}`
	if compact.String() != want {
		t.Errorf("got  %s\nwant %s", compact.String(), want)
	}
	out.Reset()
	if err := (&Matrix{}).WriteJSON(&out); err != nil || !strings.Contains(out.String(), `"probes": []`) {
		t.Errorf("no probes are written as %s (%v)", out.String(), err)
	}
}

func TestParsePort(t *testing.T) {
	for text, want := range map[string]Port{"443": {"TCP", 443}, "53/udp": {"UDP", 53}, "7/SCTP": {"SCTP", 7}} {
		if got, err := parsePort(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "65536", "80/ICMP", "http"} {
		if got, err := parsePort(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}
