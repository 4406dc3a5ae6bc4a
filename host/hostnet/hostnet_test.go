package hostnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/sluice-net/sluice/tests/nettest"
)

// newNS returns the path of a new network namespace.
func newNS(t *testing.T) string { return nettest.Path(nettest.Namespace(t, "sluice-hostnet")) }

// ipIn runs each line as arguments of ip in the namespace.
func ipIn(t *testing.T, ns, lines string) string {
	t.Helper()
	var out string
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		out += nettest.Run(t, append([]string{"ip", "-n", filepath.Base(ns)}, strings.Fields(line)...)...) + "\n"
	}
	return out
}

// node is a network namespace with one Pod behind a veth like ptp makes it, and a gateway.
type node struct {
	*Host
	ns, pod string
	veth    *Veth
	gateway int
}

var podAddresses = []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("fd00:1::2")}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{ns: newNS(t), pod: newNS(t)}
	ipIn(t, n.ns, `link add veth0 type veth peer name eth0 netns `+filepath.Base(n.pod))
	ipIn(t, n.pod, `addr add 10.1.0.2/24 dev eth0
		addr add fd00:1::2/64 dev eth0 nodad
		link set eth0 up
		-6 route add default via fd00:1::1 dev eth0`)
	ipIn(t, n.ns, `addr add 10.1.0.1/32 dev veth0
		addr add fd00:1::1/128 dev veth0 nodad
		link set veth0 up
		link add sluice-gw0 type veth peer name other-end
		link set other-end up
		route add 10.1.0.2/32 dev veth0 scope host
		route add 10.1.0.2/32 dev veth0 table 77 metric 5 mtu 1300 src 10.1.0.1
		route add 192.168.9.0/24 via 10.1.0.2 dev veth0 onlink
		-6 route add fd00:1::2/128 dev veth0
		-6 route add fd00:1::2/128 dev veth0 table 77
		-6 route add fd00:9::/64 via fd00:1::2 dev veth0 metric 50`)
	var err error
	if n.Host, err = At(n.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	if n.gateway, _, err = n.PrepareGateway(GatewaySettings{Name: "sluice-gw0", MAC: net.HardwareAddr{2, 1, 1, 1, 1, 1}, MTU: 1500}); err != nil {
		t.Fatal(err)
	}
	if n.veth, err = n.FindVeth(n.pod, "eth0"); err != nil {
		t.Fatal(err)
	}
	return n
}

// routes is what a person sees, without the routes of link-local addresses, which come a moment after a link is set up.
func (n *node) routes(t *testing.T) string {
	var kept []string
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(ipIn(t, n.ns, "-d "+family+" route show table all")) {
			if !strings.Contains(line, "fe80") && !strings.Contains(line, "ff00") {
				kept = append(kept, line)
			}
		}
	}
	return strings.Join(kept, "")
}

func (n *node) move() Move { return Move{Veth: n.veth.Index, Gateway: n.gateway, MTU: n.veth.MTU} }

func TestFindVeth(t *testing.T) {
	n := newNode(t)
	if n.veth.Name != "veth0" || n.veth.MTU != 1500 || !slices.Equal(n.veth.PodAddresses, podAddresses) ||
		!slices.Equal(n.veth.PodGateways, []netip.Addr{netip.MustParseAddr("fd00:1::1")}) ||
		!strings.Contains(ipIn(t, n.pod, "link show eth0"), n.veth.PodMAC.String()) {
		t.Errorf("found %+v", n.veth)
	}
	if alive, err := n.VethAlive("veth0", n.veth.Index); !alive || err != nil {
		t.Errorf("alive: %v, %v", alive, err)
	}
	if alive, err := n.VethAlive("veth0", n.veth.Index+1000); alive || err != nil {
		t.Errorf("another device of the same name counts as alive (%v)", err)
	}
	addrs, err := n.VethAddresses(n.veth.Index)
	if err != nil || !slices.Contains(addrs, netip.MustParseAddr("fd00:1::1")) {
		t.Errorf("addresses of the veth: %v, %v", addrs, err)
	}
}

func TestFindVethProblems(t *testing.T) {
	n := newNode(t)
	third := newNS(t)
	ipIn(t, n.ns, `link add br0 type bridge
		link add veth1 type veth peer name eth1 netns `+filepath.Base(n.pod)+`
		link set veth1 master br0
		link add mv0 link veth0 type macvlan
		link set mv0 netns `+filepath.Base(n.pod))
	ipIn(t, third, `link add far0 type veth peer name eth2 netns `+filepath.Base(n.pod))
	for _, c := range []struct {
		netns, ifName string
		problem       VethProblem
		text          string
	}{
		{"/run/netns/sluice-none", "eth0", NoNetns, "cannot be opened"},
		{n.pod, "eth9", NoInterface, "no interface eth9"},
		{n.pod, "mv0", NotVeth, "of kind macvlan"},
		{n.pod, "eth1", OtherBridge, "veth1 belongs to br0"},
		{n.pod, "eth2", PeerElsewhere, "not in the node's network namespace"},
	} {
		_, err := n.FindVeth(c.netns, c.ifName)
		var problem *VethError
		if !errors.As(err, &problem) || problem.Problem != c.problem || !strings.Contains(err.Error(), c.text) || problem.Remedy == "" {
			t.Errorf("%s in %s: %v, want problem %d with %q", c.ifName, c.netns, err, c.problem, c.text)
		}
	}
}

func TestRoutesMoveAndComeBackExactly(t *testing.T) {
	n := newNode(t)
	before := n.routes(t)
	saved, err := n.SavedRoutes(n.veth, podAddresses)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	var reread []Route
	if err := json.Unmarshal(text, &reread); err != nil || !slices.Equal(saved, reread) {
		t.Fatalf("saved routes do not survive JSON (%v):\n%+v\n%+v", err, saved, reread)
	}
	changed, waiting, err := n.MoveRoutes(reread, n.move())
	if err != nil || changed != 6 || waiting {
		t.Fatalf("moved %d (waiting %v), %v; want 6", changed, waiting, err)
	}
	after := n.routes(t)
	for _, want := range []string{
		"unicast 10.1.0.2 dev sluice-gw0 table main proto boot scope host src 10.1.0.1 mtu 1500",
		"10.1.0.2 dev sluice-gw0 table 77 proto boot scope link src 10.1.0.1 metric 5 mtu 1300",
		"192.168.9.0/24 via 10.1.0.2 dev sluice-gw0 table main proto boot scope global src 10.1.0.1 onlink mtu 1500",
		"fd00:1::2 dev sluice-gw0 table main proto boot scope global src fd00:1::1 metric 1024 mtu lock 1500",
		"fd00:1::2 dev sluice-gw0 table 77 proto boot scope global src fd00:1::1 metric 1024 mtu lock 1500",
		"fd00:9::/64 via fd00:1::2 dev sluice-gw0 table main proto boot scope global src fd00:1::1 metric 50 onlink mtu lock 1500",
		"local 10.1.0.1 dev veth0", "local fd00:1::1 dev veth0",
	} {
		if !strings.Contains(after, want) {
			t.Errorf("no route %q in\n%s", want, after)
		}
	}
	for line := range strings.Lines(after) {
		if strings.Contains(line, "veth0") && !strings.Contains(line, "proto kernel") {
			t.Errorf("still on the veth: %s", line)
		}
	}
	if changed, _, err := n.MoveRoutes(saved, n.move()); err != nil || changed != 0 {
		t.Errorf("moved again: %d, %v", changed, err)
	}
	ipIn(t, n.ns, "route del 10.1.0.2/32 dev sluice-gw0\n-6 route del fd00:1::2/128 dev sluice-gw0")
	if changed, _, err := n.MoveRoutes(saved, n.move()); err != nil || changed != 2 {
		t.Errorf("repaired %d, %v; want 2", changed, err)
	}
	for range 2 {
		if err := n.RestoreRoutes(saved, n.move()); err != nil {
			t.Error(err)
		}
		if got := n.routes(t); got != before {
			t.Errorf("restored:\n%s\nbefore:\n%s", got, before)
		}
	}
}

func TestPodWithoutARouteOfItsOwnGetsOne(t *testing.T) {
	n := newNode(t)
	ipIn(t, n.ns, "route del 10.1.0.2/32 dev veth0\nroute add 10.1.0.0/24 dev veth0")
	before := n.routes(t)
	saved, err := n.SavedRoutes(n.veth, podAddresses)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.MoveRoutes(saved, n.move()); err != nil {
		t.Fatal(err)
	}
	if got := n.routes(t); !strings.Contains(got, "10.1.0.2 dev sluice-gw0 table main proto boot scope link src 10.1.0.1") || !strings.Contains(got, "10.1.0.0/24 dev sluice-gw0") {
		t.Errorf("routes:\n%s", got)
	}
	if err := n.RestoreRoutes(saved, n.move()); err != nil {
		t.Error(err)
	}
	if got := n.routes(t); got != before {
		t.Errorf("restored:\n%s\nbefore:\n%s", got, before)
	}
}

func TestRoutesOfAVethThatIsGoneAreRemoved(t *testing.T) {
	n := newNode(t)
	saved, err := n.SavedRoutes(n.veth, podAddresses)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.MoveRoutes(saved, n.move()); err != nil {
		t.Fatal(err)
	}
	ipIn(t, n.ns, "link del veth0")
	m := n.move()
	m.Veth = 0
	for range 2 {
		if err := n.RestoreRoutes(saved, m); err != nil {
			t.Error(err)
		}
	}
	if got := n.routes(t); strings.Contains(got, "10.1.0.2") || strings.Contains(got, "fd00:1::2") || strings.Contains(got, "192.168.9") {
		t.Errorf("left over:\n%s", got)
	}
}

func TestAddressUnderDuplicateDetectionIsUsedLater(t *testing.T) {
	n := newNode(t)
	ipIn(t, n.ns, "addr add fd00:7::7/128 dev lo\naddr del fd00:1::1/128 dev veth0\naddr add fd00:1::1/128 dev veth0")
	saved, err := n.SavedRoutes(n.veth, podAddresses[1:])
	if err != nil {
		t.Fatal(err)
	}
	if _, waiting, err := n.MoveRoutes(saved, n.move()); err != nil || !waiting {
		t.Fatalf("the address cannot be used yet, but waiting is %v (%v)", waiting, err)
	}
	if got := n.routes(t); strings.Contains(got, "fd00:1::2 dev sluice-gw0 table main proto boot scope global src") {
		t.Errorf("a source address too early:\n%s", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	for waiting := true; waiting; {
		if time.Now().After(deadline) {
			t.Fatal("the address never became usable")
		}
		time.Sleep(50 * time.Millisecond) // the kernel reports the end of the detection nowhere that this package listens
		if _, waiting, err = n.MoveRoutes(saved, n.move()); err != nil {
			t.Fatal(err)
		}
	}
	if got := n.routes(t); !strings.Contains(got, "fd00:1::2 dev sluice-gw0 table main proto boot scope global src fd00:1::1") {
		t.Errorf("no source address:\n%s", got)
	}
}

// A Pod that goes back to its veth is known there at once; what the kernel knows already stays as it is.
func TestIntroduce(t *testing.T) {
	n := newNode(t)
	ipIn(t, n.ns, "neigh replace 10.1.0.2 lladdr 02:00:00:00:00:99 dev "+n.veth.Name+" nud permanent")
	other, asked := netip.MustParseAddr("10.1.0.3"), netip.MustParseAddr("10.1.0.4")
	ipIn(t, n.ns, fmt.Sprintf("neigh replace %s lladdr %s dev %s nud permanent", other, n.veth.PodMAC, n.veth.Name))
	ipIn(t, n.ns, fmt.Sprintf("neigh replace %s lladdr %s dev %s nud probe", asked, n.veth.PodMAC, n.veth.Name))
	for range 2 {
		if err := n.Introduce(n.veth.Index, append([]netip.Addr{other, asked}, podAddresses...), n.veth.PodMAC); err != nil {
			t.Fatal(err)
		}
	}
	got := ipIn(t, n.ns, "neigh show dev "+n.veth.Name)
	for _, want := range []string{
		fmt.Sprintf("10.1.0.2 lladdr %s STALE", n.veth.PodMAC), fmt.Sprintf("fd00:1::2 lladdr %s STALE", n.veth.PodMAC), // another Pod's before
		fmt.Sprintf("10.1.0.3 lladdr %s PERMANENT", n.veth.PodMAC), // as it was
		fmt.Sprintf("10.1.0.4 lladdr %s STALE", n.veth.PodMAC),     // was about to be confirmed
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the neighbours are %s, not %s", got, want)
		}
	}
}

func TestNeighboursAndProxies(t *testing.T) {
	n := newNode(t)
	if changed, err := n.SetNeighbours(n.gateway, podAddresses, n.veth.PodMAC); err != nil || changed != 2 {
		t.Fatalf("changed %d, %v", changed, err)
	}
	want := fmt.Sprintf("10.1.0.2 dev sluice-gw0 lladdr %s PERMANENT", n.veth.PodMAC)
	if got := ipIn(t, n.ns, "neigh show"); !strings.Contains(got, want) || !strings.Contains(got, "fd00:1::2 dev sluice-gw0") {
		t.Errorf("neighbours: %s", got)
	}
	if changed, err := n.SetNeighbours(n.gateway, podAddresses, n.veth.PodMAC); err != nil || changed != 0 {
		t.Errorf("again: changed %d, %v", changed, err)
	}
	ipIn(t, n.ns, "neigh del 10.1.0.2 dev sluice-gw0")
	if changed, err := n.SetNeighbours(n.gateway, podAddresses, n.veth.PodMAC); err != nil || changed != 1 {
		t.Errorf("repaired %d, %v", changed, err)
	}
	for range 2 {
		if err := n.DelNeighbours(n.gateway, podAddresses); err != nil {
			t.Error(err)
		}
	}
	if got := ipIn(t, n.ns, "neigh show dev sluice-gw0"); strings.Contains(got, "PERMANENT") {
		t.Errorf("neighbours left: %s", got)
	}
	one, two := netip.MustParseAddr("fd00:1::1"), netip.MustParseAddr("fe80::77")
	ipIn(t, n.ns, "-6 neigh add proxy fd00:5::5 dev sluice-gw0")
	if changed, err := n.SetProxies(n.gateway, []netip.Addr{one, two, one}, nil); err != nil || changed != 2 {
		t.Errorf("changed %d, %v", changed, err)
	}
	if changed, err := n.SetProxies(n.gateway, []netip.Addr{two}, []netip.Addr{one, two}); err != nil || changed != 1 {
		t.Errorf("changed %d, %v", changed, err)
	}
	got := ipIn(t, n.ns, "-6 neigh show proxy")
	if !strings.Contains(got, "fe80::77 ") || strings.Contains(got, "fd00:1::1 ") || !strings.Contains(got, "fd00:5::5 ") {
		t.Errorf("proxies: %s", got)
	}
}

func TestDropChainsAreIndependent(t *testing.T) {
	n := newNode(t)
	ping := func() bool {
		return exec.Command("ip", "netns", "exec", filepath.Base(n.pod), "ping", "-c1", "-W1", "10.1.0.1").Run() == nil
	}
	if !ping() {
		t.Fatal("no connection to begin with")
	}
	for _, want := range []bool{true, false} {
		if changed, err := n.Drop("veth0"); err != nil || changed != want {
			t.Fatalf("changed %v, %v; want %v", changed, err, want)
		}
	}
	if _, err := n.Drop("other-end"); err != nil {
		t.Fatal(err)
	}
	if ping() {
		t.Error("frames are not dropped")
	}
	again, err := At(n.ns)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	names, err := again.Dropped()
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"other-end", "veth0"}) {
		t.Errorf("another process sees %v, %v", names, err)
	}
	ipIn(t, n.ns, "link del other-end")
	for range 2 {
		for _, name := range []string{"veth0", "other-end"} {
			if err := again.Undrop(name); err != nil {
				t.Error(err)
			}
		}
	}
	if !ping() {
		t.Error("frames are still dropped")
	}
	if got := nettest.Run(t, "nsenter", "--net="+n.ns, "nft", "list", "ruleset"); got != "" {
		t.Errorf("rules left: %s", got)
	}
}

func TestTxOffload(t *testing.T) {
	n := newNode(t)
	on, err := TxOffload(n.pod, "eth0")
	if err != nil || len(on) == 0 {
		t.Fatalf("offloads of a new veth: %v, %v", on, err)
	}
	show := func() string {
		return nettest.Run(t, "nsenter", "--net="+n.pod, "ethtool", "-k", "eth0")
	}
	before := show()
	bits, err := Features(n.pod, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := SetTxOffload(n.pod, "eth0", on, false); err != nil {
		t.Fatal(err)
	}
	if got := show(); !strings.Contains(got, "tx-checksumming: off") || !strings.Contains(got, "tx-tcp-segmentation: off") || !strings.Contains(got, "tx-sctp-segmentation: off") {
		t.Errorf("offloads: %s", got)
	}
	if left, err := TxOffload(n.pod, "eth0"); err != nil || len(left) != 0 {
		t.Errorf("left on: %v, %v", left, err)
	}
	if off, err := Features(n.pod, "eth0"); err != nil || off == bits || off == (FeatureBits{}) {
		t.Errorf("features %x before and %x after offloads were turned off: %v", bits, off, err)
	}
	if err := SetTxOffload(n.pod, "eth0", on, true); err != nil {
		t.Fatal(err)
	}
	if got := show(); got != before {
		t.Errorf("restored: %s\nbefore: %s", got, before)
	}
}

func TestGatewaySettingsAreRepaired(t *testing.T) {
	n := newNode(t)
	mac := net.HardwareAddr{2, 1, 1, 1, 1, 1}
	if _, changed, err := n.PrepareGateway(GatewaySettings{Name: "sluice-gw0", MAC: mac, MTU: 1500}); err != nil || changed != 0 {
		t.Errorf("again: changed %d, %v", changed, err)
	}
	ipIn(t, n.ns, "link set sluice-gw0 down\nlink set sluice-gw0 address 02:00:00:00:00:09 mtu 1400\naddr flush dev sluice-gw0")
	nettest.Run(t, "nsenter", "--net="+n.ns, "sysctl", "-qw", "net.ipv6.conf.sluice-gw0.proxy_ndp=0")
	if _, changed, err := n.PrepareGateway(GatewaySettings{Name: "sluice-gw0", MAC: mac, MTU: 1500}); err != nil || changed != 5 {
		t.Errorf("repaired %d, %v; want 5", changed, err)
	}
	if got := ipIn(t, n.ns, "link show sluice-gw0"); !strings.Contains(got, mac.String()) || !strings.Contains(got, ",UP") {
		t.Errorf("gateway: %s", got)
	}
	if _, _, err := n.PrepareGateway(GatewaySettings{Name: "absent0", MAC: mac, MTU: 1500}); err == nil || !strings.Contains(err.Error(), "absent0") {
		t.Errorf("gateway that is not there: %v", err)
	}
	if index, err := n.LinkIndex("absent0"); index != 0 || err != nil {
		t.Errorf("index of nothing: %d, %v", index, err)
	}
}

// What a Pod sends comes through the gateway for as long as its route leads to its veth, when it moves; even where the node is
// strict on all devices. The address that this needs is picked as a source by no route.
func TestGatewayBelievesPodsWhoseRoutesLeadElsewhere(t *testing.T) {
	n := newNode(t)
	nettest.Run(t, "nsenter", "--net="+n.ns, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
	behind := newNS(t)
	ipIn(t, n.ns, "link set other-end netns "+filepath.Base(behind))
	ipIn(t, behind, `addr add 10.1.0.2/32 dev other-end
		link set other-end up
		route add 10.1.0.1 dev other-end
		neigh replace 10.1.0.1 lladdr 02:01:01:01:01:01 dev other-end`)
	receiver := listenIn(t, n.ns, "10.1.0.1:0")
	sender := listenIn(t, behind, "10.1.0.2:0")
	buffer := make([]byte, 16)
	if _, err := sender.WriteTo([]byte("one"), receiver.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := receiver.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, _, err := receiver.ReadFrom(buffer); err != nil || string(buffer[:got]) != "one" {
		t.Errorf("what the Pod sent through the gateway: %q, %v", buffer[:got], err)
	}
	// Without an address of the gateway's own the kernel takes one of another device.
	ipIn(t, n.ns, "route add 10.1.0.9/32 dev sluice-gw0 scope link")
	if got := ipIn(t, n.ns, "route get 10.1.0.9"); !strings.Contains(got, "src 10.1.0.1 ") {
		t.Errorf("the node's packets through the gateway: %s", got)
	}
}

// listenIn opens a UDP socket in a namespace.
func listenIn(t *testing.T, ns, address string) (conn net.PacketConn) {
	t.Helper()
	nettest.Do(t, filepath.Base(ns), func() (err error) { conn, err = net.ListenPacket("udp4", address); return err })
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestWatchLink(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	changed := make(chan struct{}, 1)
	if err := n.WatchLink(ctx, "sluice-gw0", changed); err != nil {
		t.Fatal(err)
	}
	ipIn(t, n.ns, "link del sluice-gw0")
	select {
	case <-changed:
	case <-ctx.Done():
		t.Error("nothing was said about the gateway's end")
	}
}

func TestTheCallersNamespaceIsLeftAlone(t *testing.T) {
	n := newNode(t)
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := in(n.Host.ns, func() error { return errors.New("x") }); err == nil || err.Error() != "x" {
		t.Errorf("got %v", err)
	}
	after, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if !before.Equal(after) {
		t.Error("the thread is in another namespace")
	}
}
