package primary

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// The lab's nodes and Pods look as the clouds' plugins document and make them
// (amazon-vpc-cni-k8s, docs/cni-proposal.md; azure-container-networking,
// network/transparent_endpointclient_linux.go). {A} stands for the address
// of a Pod, {B} for that of the one on the second interface.
func TestLayoutsAreAsDocumented(t *testing.T) {
	for layout, checks := range map[string][]struct {
		end, command string
		want         []string // lines, as regular expressions
	}{
		lab.PrimaryEKS: {
			{east, "ip route show", []string{`{A} dev eni[0-9a-f]{11} scope link `, `{B} dev eni[0-9a-f]{11} scope link `}},
			{east, "ip route show table 2", []string{`default via 192\.168\.100\.1 dev eth1 `, `192\.168\.100\.1 dev eth1 scope link `}},
			{east, "ip rule show", []string{
				`512:\tfrom all to {A} lookup main`, `512:\tfrom all to {B} lookup main`, `1024:\tfrom all fwmark 0x80/0x80 lookup main`, `1536:\tfrom {B} lookup 2`,
			}},
			{podA, "ip -4 -o addr show dev eth0", []string{`.* inet {A}/32 scope global eth0.*`}},
			{podA, "ip route show", []string{`default via 169\.254\.1\.1 dev eth0 `, `169\.254\.1\.1 dev eth0 scope link `}},
			{podA, "ip neigh show", []string{`169\.254\.1\.1 dev eth0 lladdr \S+ PERMANENT `}},
			{podA, "ip -6 route show default", []string{`default via fe80::1 dev eth0 .*`}},
			{podA, "ip -6 neigh show", []string{`fe80::1 dev eth0 lladdr \S+ PERMANENT `}},
		},
		lab.PrimaryAzure: {
			{east, "ip route show", []string{`{A} dev azv[0-9a-f]{11} scope link `}},
			{east, "ip rule show", []string{`0:\tfrom all lookup local`, `32766:\tfrom all lookup main`, `32767:\tfrom all lookup default`}},
			{east, "ip -o link show type veth", []string{`.*: azv[0-9a-f]{11}@if.* link/ether aa:aa:aa:aa:aa:aa .*`}},
			{east, "sysctl -a -r ^net.ipv4.conf.azv.*.proxy_arp$", []string{`net\.ipv4\.conf\.azv[0-9a-f]{11}\.proxy_arp = 1`}},
			{podA, "ip -4 -o addr show dev eth0", []string{`.* inet {A}/24 .*scope global noprefixroute eth0.*`}},
			{podA, "ip route show", []string{`default via 169\.254\.1\.1 dev eth0 `, `169\.254\.1\.1 dev eth0 scope link `}},
			{podA, "ip neigh show 169.254.1.1", []string{`169\.254\.1\.1 dev eth0 lladdr aa:aa:aa:aa:aa:aa .*`}},
			{podA, "ip -6 route show default", []string{`default via fe80::1234:5678:9abc dev eth0 .*`}},
			{podA, "ip -6 neigh show", []string{`fe80::1234:5678:9abc dev eth0 lladdr aa:aa:aa:aa:aa:aa PERMANENT `}},
		},
	} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			l := start(t, lab.Options{Primary: layout, PolicyFree: true})
			names := strings.NewReplacer(`\t`, "\t", "{A}", regexp.QuoteMeta(labtest.Address(t, l, podA, false).String()), "{B}", regexp.QuoteMeta(labtest.Address(t, l, podB, false).String()))
			for _, c := range checks {
				out := in(t, l, c.end, strings.Fields(c.command)...)
				for _, want := range c.want {
					pattern := names.Replace(want)
					if !regexp.MustCompile("(?m)^" + pattern + "$").MatchString(out) {
						t.Errorf("%s: %s has no line %q:\n%s", c.end, c.command, pattern, out)
					}
				}
			}
		})
	}
}
