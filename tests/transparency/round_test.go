package transparency

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// path is where packets of the comparison go.
type path struct {
	name     string
	from, to string
	// size: only cases about sizes, as it is for them that the path is there.
	size bool
	// narrow: the router's device towards the external host gets a smaller MTU.
	narrow bool
}

func paths() []path {
	return []path{
		{name: "Pod > Pod, same node", from: podA, to: podB},
		{name: "Pod > Pod, two nodes", from: podA, to: podC},
		{name: "Pod > host", from: podA, to: east},
		{name: "host > Pod", from: east, to: podA},
		{name: "Pod > other host", from: podA, to: west},
		{name: "Pod > external", from: podA, to: lab.External},
		{name: "external > Pod", from: lab.External, to: podA},
		{name: "Pod > small Pod, same node", from: podA, to: small, size: true},
		{name: "Pod > small Pod, two nodes", from: podC, to: small, size: true},
		{name: "external > small Pod", from: lab.External, to: small, size: true},
		{name: "Pod > external, narrow", from: podA, to: lab.External, size: true, narrow: true},
	}
}

// reduction is how much smaller small MTUs are.
const reduction = 200

// course is one lab in which all packets are sent.
type course struct {
	lab      *lab.Lab
	free     bool // of Sluice
	mtu      int
	sniffers map[string]*sniffer
	senders  map[string]*sender
}

// heard is what came in at the two ends in one case: packets in normal form, in
// no particular order.
type heard struct{ atReceiver, atSender []string }

// result is what was heard, by path, family and case.
type result map[resultKey]*heard

type resultKey struct {
	path string
	v6   bool
	kase string
}

// podDevices is how the names of the node's ends of Pods begin, by layout.
var podDevices = map[string]string{lab.PrimaryPTP: "veth", lab.PrimaryEKS: "eni", lab.PrimaryAzure: "azv"}

func (c *course) name() string {
	if c.free {
		return "without Sluice"
	}
	return "with Sluice"
}

func newCourse(t *testing.T, l *lab.Lab, free bool, mtu int) *course {
	c := &course{l, free, mtu, map[string]*sniffer{}, map[string]*sender{}}
	unlimited(t, l, lab.Router)
	for _, end := range []string{podA, podB, podC, small, east, west, lab.External} {
		quiet(t, l, end)
		c.senders[end] = newSender(t, l, end)
		device := "eth0"
		if end == east {
			// Where its own Pods' packets come in.
			device = "sluice-gw0"
			if free {
				device = podDevices[l.Primary()]
			}
		}
		c.sniffers[end] = listen(t, l, end, device)
	}
	return c
}

func family(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// round makes all cases on the paths. Different rounds use different numbers, so
// that none finds connections of the other.
func (c *course) round(t *testing.T, number int, along []path) result {
	t.Helper()
	all := result{}
	list := cases()
	for i, p := range along {
		for f, v6 := range []bool{false, true} {
			// At most 160 cases, 22 of these, 2 rounds: all below the quiet port.
			first := firstQuiet + uint16(number*0x1800+(2*i+f)*0xa0)
			c.walk(t, p, v6, first, list, all)
		}
	}
	return all
}

func (c *course) walk(t *testing.T, p path, v6 bool, first uint16, list []kase, all result) {
	t.Helper()
	src, dst := labtest.Address(t, c.lab, p.from, v6), labtest.Address(t, c.lab, p.to, v6)
	mtu := c.mtu
	if p.narrow {
		c.narrow(t, mtu-reduction)
		defer c.narrow(t, mtu)
	}
	c.warmUp(t, p, dst)
	here, there := c.sniffers[p.from], c.sniffers[p.to]
	hereFrom, thereFrom := here.count(), there.count()
	marks := &books{first, first + uint16(len(list)), map[string]uint16{}}
	for i, k := range list {
		if v6 && !k.v6 || !v6 && !k.v4 || p.size && !k.size {
			continue
		}
		b := between{src, dst, first + uint16(i), mtu}
		for _, s := range k.steps(b) {
			c.take(t, p, b, s, marks)
		}
	}
	c.settle(here, there, marks)
	c.collect(p, v6, marks, list, there.frames(thereFrom), false, all)
	c.collect(p, v6, marks, list, here.frames(hereFrom), true, all)
}

// collect sorts what an end heard by case.
func (c *course) collect(p path, v6 bool, marks *books, list []kase, frames []frame, atSender bool, all result) {
	for range 2 { // the second time, first fragments that came late are known
		for _, f := range frames {
			if isIP(f) {
				marks.number(f.data[14:])
			}
		}
	}
	at := func(name string) *[]string {
		key := resultKey{p.name, v6, name}
		if all[key] == nil {
			all[key] = &heard{}
		}
		if atSender {
			return &all[key].atSender
		}
		return &all[key].atReceiver
	}
	for i, k := range list {
		if (v6 && k.v6 || !v6 && k.v4) && (!p.size || k.size) {
			into := at(k.name + " " + k.protocol)
			for _, f := range frames {
				if n, ok := caseOf(f, marks); ok && n == marks.first+uint16(i) {
					*into = append(*into, k.comparable(f, n, atSender))
				}
			}
			slices.Sort(*into)
		}
	}
}

func isIP(f frame) bool {
	return f.kind == unix.PACKET_HOST && (f.etherType() == unix.ETH_P_IP || f.etherType() == unix.ETH_P_IPV6)
}

func caseOf(f frame, marks *books) (uint16, bool) {
	if !isIP(f) {
		return 0, false
	}
	return marks.number(f.data[14:])
}

// comparable is a packet as it is compared.
func (k kase) comparable(f frame, number uint16, atSender bool) string {
	p, err := parse(f.data[14:])
	if err != nil {
		return string(f.data[14:])
	}
	// A kernel on the way that puts IPv6 datagrams together, as it does for
	// connection tracking, draws a new identification when it takes them apart.
	renewed := p.v6 && p.isFragment && p.fragmentID != uint32(number)
	return string(normal(f.data[14:], f.partial, renewed || k.madeByKernel(p, atSender)))
}

// ordinary says that a kernel makes the packets of the case.
func (k kase) ordinary() bool { return strings.Contains(k.name, "ordinary socket") }

// take makes one step and waits until something came of it, but not for long:
// some packets are lost on every path.
func (c *course) take(t *testing.T, p path, b between, s step, marks *books) {
	t.Helper()
	from, to := p.from, b.dst
	if s.back {
		from, to = p.to, b.src
	}
	here, there := c.sniffers[p.from], c.sniffers[p.to]
	hereFrom, thereFrom := here.count(), there.count()
	for _, packet := range s.packets {
		if err := c.senders[from].send(packet); err != nil {
			t.Fatalf("%s, %s: sending %s: %v", p.name, from, describe(packet), err)
		}
	}
	if d := s.ordinary; d != nil {
		if err := ordinary(c.lab, from, to, d.proto, b.number, d.port, d.payload); err != nil {
			t.Fatalf("%s, %s: sending from an ordinary socket to %s: %v", p.name, from, to, err)
		}
	}
	awaited := func(f frame) bool {
		n, ok := caseOf(f, marks)
		return ok && n == b.number
	}
	waitAny([]*sniffer{here, there}, []int{hereFrom, thereFrom}, 300*time.Millisecond, awaited)
}

// settle waits until nothing has come for a while.
func (c *course) settle(here, there *sniffer, marks *books) {
	awaited := func(f frame) bool { _, ok := caseOf(f, marks); return ok }
	for range 20 {
		from := []int{here.count(), there.count()}
		if _, more := waitAny([]*sniffer{here, there}, from, 200*time.Millisecond, awaited); !more {
			return
		}
	}
}

// warmUp pings until an answer comes, so that no packet of the cases waits for
// neighbours.
func (c *course) warmUp(t *testing.T, p path, dst netip.Addr) {
	t.Helper()
	const number = 0x3fff
	b := between{dst, dst, number, c.mtu}
	message := b.ping(1)
	if dst.Is6() {
		message[2], message[3] = 0, 0
	}
	marks := &books{number, number, map[string]uint16{}}
	here := c.sniffers[p.from]
	for range 50 {
		from := here.count()
		if err := ordinary(c.lab, p.from, dst, int(b.icmp()), number, 0, message); err != nil {
			t.Fatalf("%s: pinging %s: %v", p.name, dst, err)
		}
		if _, ok := here.wait(from, 200*time.Millisecond, func(f frame) bool { _, ok := caseOf(f, marks); return ok }); ok {
			return
		}
	}
	t.Fatalf("%s: %s does not answer pings, %s", p.name, dst, family(dst.Is6()))
}

func (c *course) narrow(t *testing.T, mtu int) {
	t.Helper()
	in(t, c.lab, lab.Router, func() error {
		link, err := netlink.LinkByName("outside")
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, mtu)
	})
}

// keys are those of both results.
func keys(a, b result) []resultKey {
	joined := maps.Clone(a)
	maps.Copy(joined, b)
	return slices.SortedFunc(maps.Keys(joined), func(x, y resultKey) int {
		return strings.Compare(fmt.Sprint(x), fmt.Sprint(y))
	})
}
