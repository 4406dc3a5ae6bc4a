package primary

import (
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// What the host leads from one Pod to another of the same node comes back through the
// host, or the first would hear from the second and not from whom it asked. kube-proxy
// does that for ports of the node, and for Services that the bridge does not serve.
func TestHostLeadsAPodToItsNeighbour(t *testing.T) {
	l := start(t, lab.Options{Later: true})
	const virtual = "192.0.2.80"
	in(t, l, east, "nft", `add table ip leads
		add chain ip leads in { type nat hook prerouting priority -100 ; }
		add rule ip leads in ip daddr `+virtual+` tcp dport 80 dnat to `+labtest.Address(t, l, podB, false).String()+`:80`)
	reach := func(when string) {
		t.Helper()
		spec := lab.ProbeSpec{From: podA, To: podB, Address: netip.MustParseAddr(virtual), Protocol: "TCP", Port: 80}
		if outcome, err := l.Probe(t.Context(), spec); err != nil || !outcome.Connected {
			t.Errorf("%s: %+v, %v", when, outcome, err)
		}
	}
	reach("without Sluice")
	install(t, l)
	reach("with Sluice")
}
