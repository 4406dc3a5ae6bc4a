package transparency

import (
	"encoding/binary"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// The types of redirects (RFC 792; RFC 4861).
const (
	icmpRedirect   = 5
	icmpv6Redirect = 137
)

// redirected are addresses that the node's routes lead back to where packets
// come from, as it happens to a Service of which the Pod itself, or its
// neighbour, is a backend.
var redirected = []netip.Addr{netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("2001:db8:99::9")}

// A host sends a redirect when a packet leaves where it came in (RFC 1812,
// 5.2.7.2; RFC 4861, 8.2). Pods would follow it into the void.
func TestRedirectsOfTheHostReachNoPod(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	c := newCourse(t, l, false, 1500)
	for _, to := range redirected {
		inNode(t, l, "ip", "route", "add", to.String(), "dev", "sluice-gw0")
		inNode(t, l, "ip", "neigh", "add", to.String(), "lladdr", "02:00:00:00:00:99", "dev", "sluice-gw0", "nud", "permanent")
	}
	// Without this, no kernel sends any on IPv4; with it, the gateway's own
	// setting does not count.
	inNode(t, l, "sysctl", "-q", "-w", "net.ipv4.conf.all.send_redirects=1")
	heard := c.sniffers[podA].count()
	for i, to := range redirected {
		b := between{src: labtest.Address(t, l, podA, to.Is6()), dst: to, number: 0x3ffd}
		if err := c.senders[podA].send(b.udp(header{}, 20)); err != nil {
			t.Fatal(err)
		}
		match := []string{"icmp,icmp_type=5", "icmp6,icmp_type=137"}[i]
		for begin := time.Now(); dropped(t, l, match) == 0; time.Sleep(10 * time.Millisecond) { // nothing tells of it
			if time.Since(begin) > patience {
				t.Fatalf("the host sends no redirect of %s: the test would show nothing", to)
			}
		}
	}
	for _, v6 := range []bool{false, true} { // what was sent before has arrived
		c.arrives(t, east, podA, v6)
	}
	for _, f := range c.sniffers[podA].frames(heard) {
		if isRedirect(f) {
			t.Errorf("the Pod heard %s", describe(f.data[14:]))
		}
	}
}

// What a Pod calls a redirect reaches nobody, whoever it says it is.
func TestRedirectsOfAPodReachNobody(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{})
	n := &neighbourhood{l: l, c: newCourse(t, l, false, 1500), pod: deviceOf(t, l, podA, "eth0"), gateway: deviceOf(t, l, east, "sluice-gw0")}
	own, other := labtest.Address(t, l, podA, false), labtest.Address(t, l, podB, false)
	from := map[string]int{}
	for end, s := range n.c.sniffers {
		from[end] = s.count()
	}
	var frames [][]byte
	for _, end := range []string{podB, podC, east, west, lab.External} {
		to := labtest.Address(t, l, end, false)
		quoted := ipPacket(to, other, 1, protoUDP, header{}, udp(to, other, 1, 2, content(8)))
		for _, src := range []netip.Addr{own, gatewayOf(l, false), other} {
			better := binary.BigEndian.Uint32(own.AsSlice()) // router
			message := icmp(src, to, icmpRedirect, 1, better, quoted)
			frames = append(frames, ethernet(n.gateway.mac, n.pod.mac, unix.ETH_P_IP, ipPacket(src, to, 7, protoICMP, header{}, message)))
		}
	}
	sendFrames(t, l, podA, frames...)
	n.overtake(t)
	for end, s := range n.c.sniffers {
		for _, f := range s.frames(from[end]) {
			if isRedirect(f) {
				t.Errorf("%s heard %s", end, describe(f.data[14:]))
			}
		}
	}
}

func isRedirect(f frame) bool {
	if _, kind, ok := readICMPv6(f); ok {
		return kind == icmpv6Redirect
	}
	if f.etherType() != unix.ETH_P_IP {
		return false
	}
	p, err := parse(f.data[14:])
	return err == nil && p.proto == protoICMP && len(p.payload) > 0 && p.payload[0] == icmpRedirect
}

var packetsOf = regexp.MustCompile(`n_packets=(\d+)`)

// dropped counts the packets of the flow with this match that drops them.
func dropped(t *testing.T, l *lab.Lab, match string) (packets int) {
	t.Helper()
	text, err := l.OVS("east").Run(t.Context(), "ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "unix:"+l.OVS("east").Management(), match)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if n := packetsOf.FindStringSubmatch(line); n != nil && strings.Contains(line, "actions=drop") {
			count, err := strconv.Atoi(n[1])
			if err != nil {
				t.Fatal(err)
			}
			packets += count
		}
	}
	return packets
}

func inNode(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	args = append(strings.Fields(l.Enter(east)), args...)
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}
