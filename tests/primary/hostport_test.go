package primary

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// A port of the node that leads to a Pod is reached from the node's loopback
// address too, as the plugin portmap, which both clouds chain, arranges it: it
// translates, and lets the Pod's device take answers to loopback addresses. With
// Sluice these come from the gateway.
func TestHostPortOnTheLoopback(t *testing.T) {
	for _, layout := range lab.Primaries() {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			l := start(t, lab.Options{Primary: layout, Later: true})
			pod := labtest.Address(t, l, podA, false).String()
			device := strings.Fields(in(t, l, east, "ip", "route", "show", pod))[2]
			setting := func(name string) string {
				return strings.TrimSpace(in(t, l, east, "sysctl", "-n", "net.ipv4.conf."+name+".route_localnet"))
			}
			in(t, l, east, "sysctl", "-q", "-w", "net.ipv4.conf."+device+".route_localnet=1")
			in(t, l, east, "nft", `add table ip portmap
				add chain ip portmap out { type nat hook output priority -100 ; }
				add rule ip portmap out ip daddr 127.0.0.1 tcp dport 8080 dnat to `+pod+`:80
				add chain ip portmap back { type nat hook postrouting priority 100 ; }
				add rule ip portmap back ip saddr 127.0.0.1 ip daddr `+pod+` masquerade`)
			reach := func(when string) {
				t.Helper()
				spec := lab.ProbeSpec{From: east, To: podA, Address: netip.MustParseAddr("127.0.0.1"), Protocol: "TCP", Port: 8080}
				if outcome, err := l.Probe(t.Context(), spec); err != nil || !outcome.Connected {
					t.Errorf("%s: %+v, %v", when, outcome, err)
				}
			}
			reach("without Sluice")
			install(t, l)
			reach("with Sluice")
			if err := l.Agent("east").Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if v := setting("sluice-gw0"); v != "1" {
				t.Errorf("the gateway's setting is %s after a restart of the agent, want 1", v)
			}
			labtest.Ctl(t, l, "east", "eject", podA)
			reach("ejected")
			if v := setting("sluice-gw0"); v != "0" {
				t.Errorf("the gateway's setting is %s without such a Pod, want 0", v)
			}
		})
	}
}
