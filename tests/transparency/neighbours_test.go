package transparency

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

const patience = 3 * time.Second

// What a Pod asks of its neighbourhood is answered; what it claims of it
// reaches nobody.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	n := &neighbourhood{l: l, c: newCourse(t, l, false, 1500), pod: deviceOf(t, l, podA, "eth0"), gateway: deviceOf(t, l, east, "sluice-gw0")}
	t.Run("ARP is answered whatever is asked for", n.arpAnswered)
	t.Run("ARP of duplicate-address detection is not", n.arpUnanswered)
	t.Run("the gateway is found by neighbour discovery", n.ndAnswered)
	t.Run("duplicate-address detection of IPv6 is left alone", n.ndUnanswered)
	t.Run("router advertisements and redirects of a Pod reach nobody", n.rogues)
}

type neighbourhood struct {
	l            *lab.Lab
	c            *course
	pod, gateway device
}

func (n *neighbourhood) ask(mac net.HardwareAddr, spa, tpa netip.Addr) []byte {
	return ethernet(broadcast, mac, unix.ETH_P_ARP, arp{op: 1, sha: mac, spa: spa, tha: make([]byte, 6), tpa: tpa}.bytes())
}

func (n *neighbourhood) arpAnswered(t *testing.T) {
	own := labtest.Address(t, n.l, podA, false)
	other := net.HardwareAddr{0x02, 0xab, 0xcd, 0xef, 0x01, 0x02} // the Pod may have changed its MAC address
	for _, target := range []string{
		gatewayOf(n.l, false).String(),                // as with ptp
		"169.254.1.1",                                 // as with Calico, and EKS
		labtest.Address(t, n.l, podB, false).String(), // a neighbour on the same /24
		"10.1.0.200",                                  // one that is not there
		labtest.Address(t, n.l, podC, false).String(), // of another node
		labtest.Address(t, n.l, lab.External, false).String(), "8.8.8.8",
	} {
		for _, mac := range []net.HardwareAddr{n.pod.mac, other} {
			asked := netip.MustParseAddr(target)
			from := n.c.sniffers[podA].count()
			sendFrames(t, n.l, podA, n.ask(mac, own, asked))
			f, ok := n.c.sniffers[podA].wait(from, patience, func(f frame) bool {
				a, ok := readARP(f)
				return ok && a.op == 2 && a.spa == asked
			})
			if !ok {
				t.Errorf("who has %s, by %s: no answer", asked, mac)
				continue
			}
			a, _ := readARP(f)
			if !bytes.Equal(a.sha, n.gateway.mac) || !bytes.Equal(a.tha, mac) || a.tpa != own ||
				!bytes.Equal(f.data[:6], mac) || !bytes.Equal(f.data[6:12], n.gateway.mac) {
				t.Errorf("who has %s, by %s: answered %+v in a frame from %x to %x; want %s at %s", asked, mac, a, f.data[6:12], f.data[:6], asked, n.gateway.mac)
			}
		}
	}
}

func (n *neighbourhood) arpUnanswered(t *testing.T) {
	own, none, neighbour := labtest.Address(t, n.l, podA, false), netip.IPv4Unspecified(), labtest.Address(t, n.l, podB, false)
	gateway := gatewayOf(n.l, false)
	answer := func(spa netip.Addr) []byte {
		return ethernet(broadcast, n.pod.mac, unix.ETH_P_ARP, arp{op: 2, sha: n.pod.mac, spa: spa, tha: broadcast, tpa: spa}.bytes())
	}
	from := map[string]int{}
	for end, s := range n.c.sniffers {
		from[end] = s.count()
	}
	sendFrames(t, n.l, podA,
		n.ask(n.pod.mac, none, own), n.ask(n.pod.mac, none, gateway), n.ask(n.pod.mac, none, neighbour), // probes (RFC 5227)
		n.ask(n.pod.mac, own, own), answer(own), // announcements
		n.ask(n.pod.mac, neighbour, gateway), answer(neighbour), answer(gateway), // lies
		n.ask(n.pod.mac, own, gateway)) // and an honest question
	asked := func(f frame) bool {
		a, ok := readARP(f)
		return ok && a.op == 2 && a.spa == gateway && a.tpa == own
	}
	if _, ok := n.c.sniffers[podA].wait(from[podA], patience, asked); !ok {
		t.Fatal("no answer to the honest question")
	}
	n.overtake(t)
	answers := 0
	for _, f := range n.c.sniffers[podA].frames(from[podA]) {
		if a, ok := readARP(f); ok && a.op == 2 {
			answers++
			if !asked(f) {
				t.Errorf("answered: %s is at %s, to %s", a.spa, a.sha, a.tpa)
			}
		}
	}
	if answers != 1 {
		t.Errorf("%d answers, want 1", answers)
	}
	for _, end := range []string{podB, small, podC, east, west, lab.External} {
		for _, f := range n.c.sniffers[end].frames(from[end]) {
			if a, ok := readARP(f); ok && bytes.Equal(a.sha, n.pod.mac) {
				t.Errorf("%s heard ARP of the Pod: %+v", end, a)
			}
		}
	}
}

// overtake sends a datagram to the Pod's neighbours and waits for it, so that
// whatever was sent before has arrived, or is lost.
func (n *neighbourhood) overtake(t *testing.T) {
	t.Helper()
	for _, end := range []string{podB, podC, east} {
		n.c.arrives(t, podA, end, true)
	}
}

// arrives sends a datagram between two ends and fails the test if it does not
// arrive.
func (c *course) arrives(t *testing.T, from, to string, v6 bool) {
	t.Helper()
	const number = 0x3ffe
	b := between{src: labtest.Address(t, c.lab, from, v6), dst: labtest.Address(t, c.lab, to, v6), number: number}
	marks := &books{number, number, map[string]uint16{}}
	seen := c.sniffers[to].count()
	if err := c.senders[from].send(b.udp(header{}, 20)); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.sniffers[to].wait(seen, patience, func(f frame) bool { _, ok := caseOf(f, marks); return ok }); !ok {
		t.Fatalf("a datagram from %s to %s does not arrive", from, to)
	}
}

// solicit is a neighbour solicitation, by multicast or to the gateway's address.
func (n *neighbourhood) solicit(src, target netip.Addr, unicast bool) []byte {
	dst, mac := solicitedNode(target), groupMAC(solicitedNode(target))
	if unicast {
		dst, mac = target, n.gateway.mac
	}
	option := uint8(1)
	if src.IsUnspecified() {
		option = 0
	}
	return ethernet(mac, n.pod.mac, unix.ETH_P_IPV6, neighbour(src, dst, 135, 0, target.AsSlice(), option, n.pod.mac))
}

func (n *neighbourhood) ndAnswered(t *testing.T) {
	global := labtest.Address(t, n.l, podA, true)
	n.findsGateway(t, []netip.Addr{global, n.pod.linkLocal}, []netip.Addr{gatewayOf(n.l, true), n.gateway.linkLocal})
}

// findsGateway asks for gateways, from several addresses of the Pod.
func (n *neighbourhood) findsGateway(t *testing.T, sources, gateways []netip.Addr) {
	t.Helper()
	for _, target := range gateways {
		for _, src := range sources {
			for _, unicast := range []bool{false, true} {
				from := n.c.sniffers[podA].count()
				sendFrames(t, n.l, podA, n.solicit(src, target, unicast))
				f, ok := n.c.sniffers[podA].wait(from, patience, func(f frame) bool {
					p, kind, ok := readICMPv6(f)
					return ok && kind == 136 && p.dst == src && bytes.HasPrefix(p.payload[8:], target.AsSlice())
				})
				if !ok {
					t.Errorf("who has %s (unicast %v), by %s: no answer", target, unicast, src)
					continue
				}
				p, _, _ := readICMPv6(f)
				const solicited = 0x40
				if p.ttl != 255 || p.payload[4]&solicited == 0 || !bytes.Equal(f.data[:6], n.pod.mac) {
					t.Errorf("who has %s, by %s: the answer is not valid: %s in a frame to %x", target, src, describe(f.data[14:]), f.data[:6])
				}
				// Without the option (RFC 4861, 4.4) it is a unicast question's sender
				// who knows the address already.
				if option := p.payload[24:]; !unicast && !bytes.Equal(option, append([]byte{2, 1}, n.gateway.mac...)) {
					t.Errorf("who has %s, by %s: answered with option %x, want MAC address %s", target, src, option, n.gateway.mac)
				}
			}
		}
	}
}

func (n *neighbourhood) ndUnanswered(t *testing.T) {
	own := labtest.Address(t, n.l, podA, true)
	from := n.c.sniffers[podA].count()
	sendFrames(t, n.l, podA,
		n.solicit(netip.IPv6Unspecified(), own, false), n.solicit(netip.IPv6Unspecified(), n.pod.linkLocal, false),
		n.solicit(own, gatewayOf(n.l, true), false))
	isAnswer := func(f frame) bool { _, kind, ok := readICMPv6(f); return ok && kind == 136 }
	if _, ok := n.c.sniffers[podA].wait(from, patience, isAnswer); !ok {
		t.Fatal("no answer to the honest question")
	}
	n.overtake(t)
	for _, f := range n.c.sniffers[podA].frames(from) {
		if p, _, ok := readICMPv6(f); ok && isAnswer(f) && p.dst != own {
			t.Errorf("answered: %s", describe(f.data[14:]))
		}
	}
}

// rogues sends what only routers may.
func (n *neighbourhood) rogues(t *testing.T) {
	own, everybody := labtest.Address(t, n.l, podA, true), netip.MustParseAddr("ff02::1")
	from := map[string]int{}
	for end, s := range n.c.sniffers {
		from[end] = s.count()
	}
	lifetime := make([]byte, 8)
	gateway := gatewayOf(n.l, true)
	var frames [][]byte
	for _, src := range []netip.Addr{n.pod.linkLocal, own, n.gateway.linkLocal, gateway} {
		advertise := func(dst netip.Addr, mac net.HardwareAddr) {
			frames = append(frames, ethernet(mac, n.pod.mac, unix.ETH_P_IPV6, neighbour(src, dst, 134, 64<<24|1800, lifetime, 1, n.pod.mac)))
		}
		redirect := func(dst netip.Addr) {
			body := append(n.pod.linkLocal.AsSlice(), labtest.Address(t, n.l, podC, true).AsSlice()...)
			frames = append(frames, ethernet(n.gateway.mac, n.pod.mac, unix.ETH_P_IPV6, neighbour(src, dst, 137, 0, body, 2, n.pod.mac)))
		}
		advertise(everybody, groupMAC(everybody))
		for _, end := range []string{podB, podC, east, lab.External} {
			advertise(labtest.Address(t, n.l, end, true), n.gateway.mac)
			redirect(labtest.Address(t, n.l, end, true))
		}
		advertise(n.gateway.linkLocal, n.gateway.mac)
	}
	sendFrames(t, n.l, podA, frames...)
	n.overtake(t)
	for _, end := range []string{podA, podB, small, podC, east, west, lab.External} {
		for _, f := range n.c.sniffers[end].frames(from[end]) {
			if _, kind, ok := readICMPv6(f); ok && (kind == 134 || kind == 137) {
				t.Errorf("%s heard %s", end, describe(f.data[14:]))
			}
		}
	}
}

// A Pod whose default route is a link-local address reaches everybody.
func TestLinkLocalGateway(t *testing.T) {
	t.Parallel()
	gateway := netip.MustParseAddr("fe80::1")
	for _, free := range []bool{true, false} {
		name := "with Sluice"
		if free {
			name = "without Sluice"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, lab.Options{PolicyFree: free, GatewayV6: gateway})
			if via := defaultRoute(t, l, podA); via != gateway {
				t.Fatalf("the Pod's default route is via %s, want %s", via, gateway)
			}
			c := newCourse(t, l, free, 1500)
			for _, p := range paths() {
				if !p.size {
					c.warmUp(t, p, labtest.Address(t, l, p.to, true))
				}
			}
			if !free {
				n := &neighbourhood{l: l, c: c, pod: deviceOf(t, l, podA, "eth0"), gateway: deviceOf(t, l, east, "sluice-gw0")}
				n.findsGateway(t, []netip.Addr{labtest.Address(t, l, podA, true), n.pod.linkLocal}, []netip.Addr{gateway})
			}
		})
	}
}
