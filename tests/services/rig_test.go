package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/refuse"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// rig is a node: Pods behind a bridge, and the node's own namespace behind the
// gateway, which here also stands for everything outside.
type rig struct {
	t      testing.TB
	number int32
	ovs    *ovstest.Instance
	conn   *of.Conn
	inv    *inventory.Inventory
	dp     *datapath.Datapath
	layer  *policy.Layer
	pods   []pod
	host   string // network namespace
	told   atomic.Int32
}

type pod struct {
	name  string
	ns    string // network namespace
	addrs [2]netip.Addr
	port  uint32
}

var (
	rigs      atomic.Int32
	hostAddrs = [2]netip.Addr{netip.MustParseAddr("10.0.255.1"), netip.MustParseAddr("fd00:ff::1")}
	vips      = [2]netip.Addr{netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("fd96::1")}
)

const gatewayPort = 1

// newRig is a node with n Pods.
func newRig(t testing.TB, n int) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	r := &rig{t: t, number: rigs.Add(1), inv: inventory.New()}
	r.host = r.namespace("h")
	r.ovs = ovstest.Start(t, ovstest.Options{NetNS: r.host, Datapath: ovstest.Datapath()})
	r.ovs.AddBridge("br0")
	r.ovs.AddInternalPort("br0", "gw0", gatewayPort)
	r.run("ip", "-n", r.host, "link", "set", "gw0", "up")
	for i, family := range []string{"-4", "-6"} {
		r.run("ip", "-n", r.host, family, "addr", "add", single(hostAddrs[i]), "dev", "gw0")
	}
	r.run("ip", "netns", "exec", r.host, "nft", "add table netdev rig")
	for i := range n {
		r.pods = append(r.pods, r.wire(i))
	}
	r.layer = policy.NewLayer("test", 1, policy.Grant{
		Tiers:   []abi.Tier{abi.Admin, abi.Network, abi.Baseline},
		Actions: []abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass},
	}, policy.Limits{})
	r.inv.PutNamespace(inventory.Namespace{Name: "x"})
	r.connect()
	r.dp = r.freshDatapath()
	r.must(r.dp.Connect(t.Context(), r.conn))
	r.realise()
	r.awaitAddresses()
	return r
}

// freshDatapath knows the Pods, and nothing of the bridge.
func (r *rig) freshDatapath() *datapath.Datapath {
	dp := datapath.New(datapath.Options{Inventory: r.inv, Logger: slog.New(slog.NewTextHandler(r.t.Output(), nil))})
	dp.SetGateway(datapath.Gateway{OFPort: gatewayPort, MAC: r.mac(r.host, "gw0")})
	for _, p := range r.pods {
		r.inv.PutPod(inventory.Pod{Namespace: "x", Name: p.name, Labels: map[string]string{"app": p.name}, Addresses: p.addrs[:]})
		dp.PutPod(datapath.LocalPod{Namespace: "x", Name: p.name, OFPort: p.port, MAC: r.mac(p.ns, "eth0"), Addresses: p.addrs[:]})
	}
	return dp
}

func (r *rig) connect() {
	r.t.Helper()
	var err error
	r.conn, err = of.Dial(r.t.Context(), r.ovs.MgmtSocket("br0"), of.Options{Logger: slog.New(slog.NewTextHandler(r.t.Output(), nil))})
	r.must(err)
	heard := make(chan struct{})
	go func(conn *of.Conn) {
		defer close(heard)
		for p := range conn.PacketIns() {
			r.answer(conn, p)
		}
	}(r.conn)
	r.t.Cleanup(func() { _ = r.conn.Close(); <-heard })
}

// answer refuses what is to be refused, as the agent does.
func (r *rig) answer(conn *of.Conn, p of.PacketIn) {
	e, err := datapath.ReadEvent(p)
	if err != nil {
		return
	}
	r.told.Add(1)
	out, _, err := r.dp.Answer(e)
	if err == nil {
		err = conn.SendPacket(context.Background(), out)
	}
	if err != nil && !errors.Is(err, refuse.ErrSilence) && !errors.Is(err, of.ErrClosed) {
		r.t.Errorf("answering a refused packet: %v", err)
	}
}

// wire makes a Pod. The userspace datapath reads copies of its frames: the
// kernel drops the originals, and checksums are the Pod's to make.
func (r *rig) wire(i int) pod {
	r.t.Helper()
	p := pod{
		name: fmt.Sprintf("p%d", i), ns: r.namespace(fmt.Sprintf("p%d", i)), port: uint32(11 + i),
		addrs: [2]netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), netip.AddrFrom16([16]byte{0xfd, 15: byte(i + 1)})},
	}
	veth := fmt.Sprintf("veth%d", i)
	r.run("ip", "link", "add", "eth0", "netns", p.ns, "type", "veth", "peer", "name", veth, "netns", r.host)
	r.run("ip", "-n", r.host, "link", "set", veth, "up")
	r.run("ip", "-n", p.ns, "link", "set", "eth0", "up")
	if ovstest.Datapath() == "netdev" {
		r.run("ip", "netns", "exec", p.ns, "ethtool", "-K", "eth0", "tx", "off")
		r.run("ip", "netns", "exec", r.host, "nft", fmt.Sprintf(`add chain netdev rig %s { type filter hook ingress device "%s" priority 0; policy drop; }`, veth, veth))
	}
	r.ovs.Run("ovs-vsctl", "add-port", "br0", veth, "--", "set", "interface", veth, fmt.Sprintf("ofport_request=%d", p.port))
	gateway, mac := r.mac(r.host, "gw0").String(), r.mac(p.ns, "eth0").String()
	for f, family := range []string{"-4", "-6"} {
		r.run("ip", family, "-n", p.ns, "addr", "add", single(p.addrs[f]), "dev", "eth0")
		r.run("ip", family, "-n", p.ns, "route", "add", single(hostAddrs[f]), "dev", "eth0")
		r.run("ip", family, "-n", p.ns, "route", "add", "default", "via", hostAddrs[f].String(), "dev", "eth0", "onlink")
		r.run("ip", family, "-n", p.ns, "neigh", "replace", hostAddrs[f].String(), "lladdr", gateway, "dev", "eth0", "nud", "permanent")
		r.run("ip", family, "-n", r.host, "route", "add", single(p.addrs[f]), "dev", "gw0", "src", hostAddrs[f].String())
		r.run("ip", family, "-n", r.host, "neigh", "replace", p.addrs[f].String(), "lladdr", mac, "dev", "gw0", "nud", "permanent")
	}
	return p
}

// namespace makes a network namespace without duplicate address detection, which
// would hold back the first packets.
func (r *rig) namespace(name string) string {
	r.t.Helper()
	name = fmt.Sprintf("slsvc%d-%d%s", os.Getpid(), r.number, name)
	r.run("ip", "netns", "add", name)
	r.t.Cleanup(func() { r.run("ip", "netns", "del", name) })
	r.run("ip", "-n", name, "link", "set", "lo", "up")
	for _, which := range []string{"all", "default"} {
		r.run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf."+which+".accept_dad=0")
	}
	return name
}

func single(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }

func (r *rig) awaitAddresses() {
	r.t.Helper()
	for _, p := range r.pods {
		r.await("end of duplicate address detection", func() bool {
			return r.run("ip", "-6", "-n", p.ns, "addr", "show", "tentative") == ""
		})
	}
}

// await fails the test if something does not happen in a time that is long for it.
func (r *rig) await(what string, happened func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited 20 s for %s", what)
		}
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *rig) mac(ns, link string) net.HardwareAddr {
	r.t.Helper()
	mac, err := net.ParseMAC(r.run("ip", "netns", "exec", ns, "cat", "/sys/class/net/"+link+"/address"))
	r.must(err)
	return mac
}

// within runs f in a network namespace. Sockets stay in the namespace in which
// they were made.
func (r *rig) within(ns string, f func()) {
	r.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	r.must(err)
	defer home.Close()
	there, err := netns.GetFromName(ns)
	r.must(err)
	defer there.Close()
	r.must(netns.Set(there))
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // the thread must not go back to the scheduler
		}
	}()
	f()
}

// realise writes what differs, and says how many messages that took. It waits for
// the caches of the datapath, which follow the flows some milliseconds behind
// the barrier.
func (r *rig) realise() int {
	r.t.Helper()
	r.dp.Refresh()
	n, err := r.dp.Realise(r.t.Context())
	r.must(err)
	r.settle()
	for _, stale := range r.dp.TakeStale() { // as the agent does
		r.ovs.Run("ovs-appctl", append([]string{"dpctl/flush-conntrack"}, stale.FlushParams()...)...)
	}
	return n
}

// settle waits for a round of the revalidators to end.
func (r *rig) settle() {
	r.t.Helper()
	r.ovs.Run("ovs-appctl", "revalidator/wait")
}

// put makes a service and writes it.
func (r *rig) put(s datapath.ServicePort) int {
	r.t.Helper()
	r.must(r.dp.PutService(s))
	return r.realise()
}

// service is a ServicePort on both Pods' side: its frontend is vips, its backends
// the Pods given by number.
func (r *rig) service(protocol abi.Protocol, family int, backends ...int) datapath.ServicePort {
	s := datapath.ServicePort{
		Name: fmt.Sprintf("x/web:%d/%d", protocol, family), Protocol: protocol,
		Frontends: []datapath.Frontend{{Address: netip.AddrPortFrom(vips[family], 80)}},
	}
	for _, b := range backends {
		s.Backends = append(s.Backends, netip.AddrPortFrom(r.pods[b].addrs[family], 8080))
	}
	return s
}
