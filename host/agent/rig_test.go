package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// rig is an engine with a real Open vSwitch, one Pod behind a
// veth in a network namespace of its own, and a "host" namespace behind the gateway.
type rig struct {
	t      *testing.T
	agent  *agent
	layer  *policy.Layer
	host   string // network namespaces
	pod    string
	ctx    context.Context
	audit  string
	ovs    *ovstest.Instance
	cancel context.CancelFunc
}

var (
	podAddrs  = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	hostAddrs = []string{"10.0.255.1", "fd00:ff::1"} // of the gateway, which here counts as the outside
	rigs      atomic.Int32
)

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	n := rigs.Add(1)
	r := &rig{t: t, host: fmt.Sprintf("slrig%d-%dh", os.Getpid(), n), pod: fmt.Sprintf("slrig%d-%dp", os.Getpid(), n)}
	for _, ns := range []string{r.host, r.pod} {
		r.run("ip", "netns", "add", ns)
		t.Cleanup(func() { r.run("ip", "netns", "del", ns) })
		r.run("ip", "-n", ns, "link", "set", "lo", "up")
	}
	r.ovs = ovstest.Start(t, ovstest.Options{NetNS: r.host, Datapath: ovstest.Datapath()})
	socket := r.ovs.AddBridge("br0")
	r.ovs.AddInternalPort("br0", "gw0", 1)
	r.wire()

	r.ctx, r.cancel = context.WithCancel(t.Context())
	a := &agent{log: slog.New(slog.NewTextHandler(t.Output(), nil)), metrics: newMetrics(), realising: newRealising()}
	r.audit = filepath.Join(t.TempDir(), "audit.log")
	a.Config.Audit.File = r.audit
	a.engine = newEngine(a.log, nil, datapath.Limits{})
	if err := a.openAudit(); err != nil {
		t.Fatal(err)
	}
	a.engine.dp.SetGateway(datapath.Gateway{OFPort: 1, MAC: r.mac(r.host, "gw0")})
	a.bridgeLink = &bridgeLink{path: socket, engine: a.engine, log: a.log, first: make(chan struct{}), hear: a.hearing().listen, begun: a.admitSmallFragments}
	r.agent = a
	ended := make(chan struct{}, 3)
	for _, part := range []func(context.Context){
		a.engine.run,
		func(ctx context.Context) { a.audit.run(ctx) },
		func(ctx context.Context) { a.bridgeLink.run(ctx) },
	} {
		go func() { part(r.ctx); ended <- struct{}{} }()
	}
	t.Cleanup(func() {
		r.cancel()
		for range 3 {
			<-ended
		}
	})
	<-a.bridgeLink.first
	r.layer = policy.NewLayer("test", 1, policy.Grant{
		Tiers:   []abi.Tier{abi.Admin, abi.Network, abi.Baseline},
		Actions: []abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass},
	}, policy.Limits{})
	r.must(a.engine.do(r.ctx, task{change: func() error {
		a.engine.inv.PutNamespace(inventory.Namespace{Name: "x"})
		a.engine.inv.PutPod(inventory.Pod{Namespace: "x", Name: "p", Labels: map[string]string{"app": "a"}, Addresses: podAddrs})
		return nil
	}}))
	r.must(a.engine.Synced(r.ctx))
	r.must(a.engine.AttachPod(r.ctx, datapath.LocalPod{
		Namespace: "x", Name: "p", OFPort: 11, MAC: r.mac(r.pod, "eth0"), Addresses: podAddrs,
	}))
	r.settle()
	return r
}

// wire makes the links.
func (r *rig) wire() {
	r.t.Helper()
	r.run("ip", "link", "add", "slvp", "netns", r.pod, "type", "veth", "peer", "name", "slvh", "netns", r.host)
	r.run("ip", "-n", r.pod, "link", "set", "slvp", "name", "eth0")
	r.run("ip", "-n", r.host, "link", "set", "slvh", "up")
	r.run("ip", "-n", r.host, "link", "set", "gw0", "up")
	r.run("ip", "-n", r.pod, "link", "set", "eth0", "up")
	if ovstest.Datapath() == DatapathNetdev { // it reads copies of frames, whose checksums must be there
		r.run("ip", "netns", "exec", r.pod, "ethtool", "-K", "eth0", "tx", "off")
		r.run("ip", "netns", "exec", r.host, "nft", `add table netdev slrig; add chain netdev slrig kernel { type filter hook ingress device "slvh" priority 0; policy drop; }`)
	}
	r.ovs.Run("ovs-vsctl", "add-port", "br0", "slvh", "--", "set", "interface", "slvh", "ofport_request=11")
	gateway := r.mac(r.host, "gw0").String()
	pod := r.mac(r.pod, "eth0").String()
	for i, family := range []string{"-4", "-6"} {
		bits := []string{"/32", "/128"}[i]
		more := [][]string{nil, {"nodad"}}[i]
		r.run("ip", append([]string{family, "-n", r.host, "addr", "add", hostAddrs[i] + bits, "dev", "gw0"}, more...)...)
		r.run("ip", append([]string{family, "-n", r.pod, "addr", "add", podAddrs[i].String() + bits, "dev", "eth0"}, more...)...)
		r.run("ip", family, "-n", r.pod, "route", "add", hostAddrs[i]+bits, "dev", "eth0")
		r.run("ip", family, "-n", r.pod, "route", "add", "default", "via", hostAddrs[i], "dev", "eth0", "onlink")
		r.run("ip", family, "-n", r.pod, "neigh", "replace", hostAddrs[i], "lladdr", gateway, "dev", "eth0", "nud", "permanent")
		r.run("ip", family, "-n", r.host, "route", "add", podAddrs[i].String()+bits, "dev", "gw0", "src", hostAddrs[i])
		r.run("ip", family, "-n", r.host, "neigh", "replace", podAddrs[i].String(), "lladdr", pod, "dev", "gw0", "nud", "permanent")
	}
}

// settle waits until no IPv6 address is tentative any longer. Duplicate address
// detection of the link-local ones holds back the first packets of all.
func (r *rig) settle() {
	r.t.Helper()
	for _, ns := range []string{r.host, r.pod} {
		r.await("end of duplicate address detection", func() bool { return r.run("ip", "-6", "-n", ns, "addr", "show", "tentative") == "" })
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
	text := r.run("ip", "netns", "exec", ns, "cat", "/sys/class/net/"+link+"/address")
	mac, err := net.ParseMAC(text)
	r.must(err)
	return mac
}

// within runs f in a network namespace.
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

// dial opens a connection from a network namespace; a second is long for one that is
// answered.
func (r *rig) dial(ns, network, address string) (c net.Conn, err error) {
	r.t.Helper()
	r.within(ns, func() { c, err = net.DialTimeout(network, address, time.Second) })
	return c, err
}

// listen accepts TCP connections in the host namespace.
func (r *rig) listen(address string) net.Listener {
	r.t.Helper()
	var l net.Listener
	var err error
	r.within(r.host, func() { l, err = net.Listen("tcp", address) })
	r.must(err)
	r.t.Cleanup(func() { l.Close() })
	return l
}

// commit puts a whole policy into force.
func (r *rig) commit(requests ...abi.Request) {
	r.t.Helper()
	txn := r.layer.Begin(true)
	for _, request := range append([]abi.Request{
		&abi.PutSet{Name: "pods", Spec: &abi.Pods{Namespaces: []string{"x"}}},
		&abi.PutSet{Name: "rejected", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: "10.9.9.0/24"}, {CIDR: "fd09::/64"}}}},
		&abi.PutSet{Name: "denied", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: "10.8.8.0/24"}, {CIDR: "fd08::/64"}}}},
		&abi.PutSet{Name: "host", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: hostAddrs[0] + "/32"}, {CIDR: hostAddrs[1] + "/128"}}}},
	}, requests...) {
		r.must(txn.Stage(request))
	}
	r.must(r.agent.engine.Commit(r.ctx, r.layer, txn))
}

// namespace tells the engine of a Namespace with or without the audit annotation.
func (r *rig) namespace(audited string) {
	r.t.Helper()
	events, err := readNamespace("x", audited)
	r.must(err)
	r.must(r.agent.engine.Observe(r.ctx, []cluster.Event{events}))
}

func (r *rig) counter(name, label string) float64 {
	r.t.Helper()
	families, err := r.agent.metrics.registry.Gather()
	r.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func rule(direction abi.Direction, action abi.Action, log bool, peer, name string) *abi.PutRule {
	spec := abi.RuleSpec{
		Tier: abi.Network, Direction: direction, Subjects: []string{"pods"}, Peers: []string{peer}, Action: action, Log: log,
		Origin: abi.Origin{Resource: "networkpolicies.networking.k8s.io", Namespace: "x", Name: name, Rule: policy.DirectionName(direction) + "[0]"},
	}
	return &abi.PutRule{Name: name, Spec: spec}
}
