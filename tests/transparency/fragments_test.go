package transparency

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// onlyQuietPort lets datagrams in to one port.
const onlyQuietPort = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: one-port, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [b, c]}]}
  policyTypes: [Ingress]
  ingress: [{ports: [{protocol: UDP, port: %d}]}]
`

// SEMANTICS 29: fragments are judged as the whole packet, whichever comes first
// and although only one of them has ports.
func TestSemantics29FragmentsAreJudgedAsTheWholePacket(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	c := newCourse(t, l, false, 1500)
	apply(t, l, fmt.Sprintf(onlyQuietPort, quietPort))
	number := uint16(0x3d00)
	for _, to := range []string{podB, podC} {
		for _, v6 := range []bool{false, true} {
			for _, reversed := range []bool{false, true} {
				for _, port := range []uint16{quietPort, quietPort - 1} {
					number++
					b := between{src: labtest.Address(t, l, podA, v6), dst: labtest.Address(t, l, to, v6), number: number, mtu: 1500}
					datagram := udp(b.src, b.dst, number, port, content(4000))
					all := pieces(b.src, b.dst, number, protoUDP, header{}, datagram, b.piece())
					if reversed {
						slices.Reverse(all)
					}
					from := c.sniffers[to].count()
					for _, packet := range all {
						if err := c.senders[podA].send(packet); err != nil {
							t.Fatal(err)
						}
					}
					want, wait := len(all), patience
					if port != quietPort {
						want, wait = 0, 200*time.Millisecond
						c.arrives(t, podA, to, v6) // what was sent before has arrived, or nearly so
					}
					marks, came := &books{number, number, map[string]uint16{}}, 0
					c.sniffers[to].wait(from, wait, func(f frame) bool {
						if _, ok := caseOf(f, marks); ok {
							came++
						}
						return want > 0 && came == want
					})
					if came != want {
						t.Errorf("%s, %s, port %d, reversed %v: %d fragments arrive, want %d", to, family(v6), port, reversed, came, want)
					}
				}
			}
		}
	}
}

// An ovs-vswitchd that starts anew is told again which fragments are honest.
func TestSmallFragmentsAfterRestartOfTheSwitch(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	if l.Datapath() != lab.DatapathNetdev {
		t.Skip("the kernel's datapath takes fragments of every size")
	}
	ovs := l.OVS("east")
	if err := errors.Join(ovs.KillSwitch(), ovs.StartSwitch(t.Context())); err != nil {
		t.Fatal(err)
	}
	status := ""
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) { // nothing tells of it
		status, _ = ovs.Run(t.Context(), "ovs-appctl", "dpctl/ipf-get-status") // fails until the bridge is back
		if strings.Contains(status, "min v4 frag size: 400") && strings.Contains(status, "min v6 frag size: 400") {
			return
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("ovs-vswitchd says after its restart:\n%s", status)
		}
	}
}
