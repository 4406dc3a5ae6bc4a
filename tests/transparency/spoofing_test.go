package transparency

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// SEMANTICS 30: what a Pod sends with an address that is not its own reaches
// nobody, and leaves nothing in conntrack.
func TestSemantics30SpoofedSources(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	c := newCourse(t, l, false, 1500)
	ends := []string{podB, podC, east, west, lab.External}
	const honest = 0x3ffe // as in arrives
	number := uint16(0x3c00)
	first := number
	from := map[string]int{}
	for end, s := range c.sniffers {
		from[end] = s.count()
	}
	for _, v6 := range []bool{false, true} {
		lies := []netip.Addr{gatewayOf(l, v6), netip.MustParseAddr("192.0.2.9")}
		if v6 {
			lies[1] = netip.MustParseAddr("2001:db8::9")
		}
		for _, end := range ends {
			lies = append(lies, labtest.Address(t, l, end, v6))
		}
		for _, src := range lies {
			for _, end := range ends {
				b := between{src: src, dst: labtest.Address(t, l, end, v6), number: number, mtu: 1500}
				number++
				syn := b.ip(protoTCP, header{}, tcp(b.src, b.dst, segment{from: b.number, to: quietPort, flags: syn}))
				for _, packet := range [][]byte{b.udp(header{}, 30), syn, b.ip(b.icmp(), header{}, b.ping(8))} {
					if err := c.senders[podA].send(packet); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for _, end := range []string{podB, podC, east, lab.External} {
			c.arrives(t, podA, end, v6)
		}
	}
	marks := &books{first, number - 1, map[string]uint16{}}
	for end, s := range c.sniffers {
		for _, f := range s.frames(from[end]) {
			if _, ok := caseOf(f, marks); ok {
				t.Errorf("%s heard a spoofed packet: %s", end, describe(f.data[14:]))
			}
		}
	}
	connections, err := l.OVS("east").Run(t.Context(), "ovs-appctl", "dpctl/dump-conntrack")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(connections, fmt.Sprintf("sport=%d,", honest)) {
		t.Fatalf("conntrack does not know of the honest datagrams:\n%s", connections)
	}
	for n := first; n < number; n++ {
		for _, text := range []string{fmt.Sprintf("sport=%d,", n), fmt.Sprintf("id=%d,", n)} {
			if strings.Contains(connections, text) {
				t.Errorf("conntrack knows of a spoofed packet (%s):\n%s", text, connections)
			}
		}
	}
}
