package hostnet

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/nettest"
)

// A real redirect, as a node sends one for a connection that comes and goes by
// one device, and what is left of it after Readdress.
func TestARedirectIsForgotten(t *testing.T) {
	n := newNode(t)
	pod := filepath.Base(n.pod)
	nettest.Enter(t, filepath.Base(n.ns), "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
	const other = "fd00:2::7"
	ipIn(t, n.ns, `-6 route add `+other+`/128 dev veth0
		neigh add `+other+` lladdr 02:00:00:00:00:99 dev veth0 nud permanent`)
	leads := func() string { return ipIn(t, n.pod, "-6 route get "+other) }
	nettest.Await(t, 20*time.Second, "the Pod is redirected", func() bool {
		nettest.Do(t, pod, func() error {
			// What answers a first attempt finds its socket busy; what answers the second, a second later, does not.
			if c, err := net.DialTimeout("tcp", "["+other+"]:80", 1500*time.Millisecond); err == nil {
				c.Close()
			}
			return nil // nobody is there
		})
		return !strings.Contains(leads(), "via fd00:1::1")
	})
	if _, err := Readdress(n.pod, "eth0", net.HardwareAddr{2, 1, 1, 1, 1, 1}, nettest.MAC(t, filepath.Base(n.ns), "veth0")); err != nil {
		t.Fatal(err)
	}
	if got := leads(); !strings.Contains(got, "via fd00:1::1") {
		t.Errorf("the Pod still sends by %s", got)
	}
	if got := ipIn(t, n.pod, "neigh show"); strings.Contains(got, other) {
		t.Errorf("the Pod still has a neighbour of the redirect: %s", got)
	}
}
