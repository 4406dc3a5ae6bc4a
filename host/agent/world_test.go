package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// world is a node in its own network namespace, with its own Open vSwitch, a
// host beyond it, and an agent whose parts are real. Nothing runs by itself in
// it, neither modules nor the patrols: a test says what happens when.
type world struct {
	t       *testing.T
	ctx     context.Context
	ns      string
	outside string // namespace of a host beyond the node: 192.0.2.2, 2001:db8::2
	ovs     *ovstest.Instance
	db      *ovsdb.Client
	host    *hostnet.Host
	a       *agent
	dir     string
	layer   *policy.Layer
	pods    []testPod
}

// testPod is a Pod that a primary plugin, played by ip(8), has made.
type testPod struct{ name, ns, veth, v4, v6 string }

func (p testPod) netns() string { return "/run/netns/" + p.ns }

// soon waits up to 10 s for something that is about to come true.
func soon(t *testing.T, done func() bool, what func() string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what())
		}
	}
}

// newNS makes a network namespace whose IPv6 addresses can be used at once.
func newNS(t *testing.T) string { return nettest.WithoutDAD(t, nettest.Namespace(t, "sluice-agent")) }

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces and needs root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, ns: newNS(t), outside: newNS(t), dir: t.TempDir()}
	nettest.Enter(t, w.ns, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	nettest.Run(t, "ip", "-n", w.ns, "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", w.outside)
	for _, end := range []struct{ ns, dev, v4, v6 string }{
		{w.ns, "up0", "192.0.2.1/24", "2001:db8::1/64"}, {w.outside, "eth0", "192.0.2.2/24", "2001:db8::2/64"},
	} {
		nettest.Run(t, "ip", "-n", end.ns, "addr", "add", end.v4, "dev", end.dev)
		nettest.Run(t, "ip", "-n", end.ns, "addr", "add", end.v6, "dev", end.dev)
		nettest.Run(t, "ip", "-n", end.ns, "link", "set", end.dev, "up")
	}
	nettest.Run(t, "ip", "-n", w.outside, "route", "add", "default", "via", "192.0.2.1")
	nettest.Run(t, "ip", "-n", w.outside, "-6", "route", "add", "default", "via", "2001:db8::1")
	w.ovs = ovstest.Start(t, ovstest.Options{NetNS: w.ns, Datapath: ovstest.Datapath()})
	var err error
	if w.db, err = ovsdb.Connect(ctx, "unix:"+w.ovs.DBSocket, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	if w.host, err = hostnet.At("/run/netns/" + w.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.host.Close)
	return w
}

// pod makes a Pod the way a routing plugin does: a veth, a /32 and a /128 route
// to it, and a default route by way of the veth's own addresses inside.
func (w *world) pod(name string) testPod {
	w.t.Helper()
	n := len(w.pods) + 2
	p := testPod{name: name, ns: newNS(w.t), veth: fmt.Sprintf("veth%d", n), v4: fmt.Sprintf("10.1.0.%d", n), v6: fmt.Sprintf("fd00:1::%d", n)}
	for _, line := range []string{
		"-n " + w.ns + " link add " + p.veth + " type veth peer name eth0 netns " + p.ns,
		"-n " + w.ns + " addr add 10.1.0.1/32 dev " + p.veth,
		"-n " + w.ns + " addr add fd00:1::1/128 dev " + p.veth,
		"-n " + w.ns + " link set " + p.veth + " up",
		"-n " + p.ns + " link set eth0 up",
		"-n " + p.ns + " addr add " + p.v4 + "/32 dev eth0",
		"-n " + p.ns + " addr add " + p.v6 + "/128 dev eth0",
		"-n " + p.ns + " route add 10.1.0.1 dev eth0",
		"-n " + p.ns + " route add default via 10.1.0.1",
		"-n " + p.ns + " -6 route add fd00:1::1 dev eth0",
		"-n " + p.ns + " -6 route add default via fd00:1::1",
		"-n " + w.ns + " route add " + p.v4 + " dev " + p.veth + " src 10.1.0.1",
		"-n " + w.ns + " -6 route add " + p.v6 + " dev " + p.veth + " src fd00:1::1",
	} {
		nettest.Run(w.t, append([]string{"ip"}, strings.Fields(line)...)...)
	}
	w.pods = append(w.pods, p)
	return p
}

const podManifest = `{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: %s, uid: uid-%[1]s, labels: {app: %[1]s}},
  spec: {nodeName: here, containers: [{name: c, image: x}]}, status: {phase: Running, podIPs: [{ip: %s}, {ip: "%s"}]}}
---
`

// start builds the agent, lets it read the Pods made so far, and connects it to
// the bridge. No module holds the node.
func (w *world) start() {
	w.t.Helper()
	var text strings.Builder
	for _, p := range w.pods {
		fmt.Fprintf(&text, podManifest, p.name, p.v4, p.v6)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "pods.yaml"), []byte(text.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	c := Config{
		NodeName: "here", Manifests: w.dir, Sandbox: SandboxConfig{Path: self},
		OVS:     OVSConfig{Database: "unix:" + w.ovs.DBSocket, RunDir: w.ovs.Dir, Datapath: DatapathAuto},
		Modules: []ModuleConfig{{Name: "none", Source: ModuleSource{File: "/nowhere"}, OnFirstFailure: Ignore}},
	}
	if err := c.complete(); err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testLog{w.t}, nil))
	w.a = &agent{Options: Options{Config: c, Logger: log}, log: log, metrics: newMetrics(), realising: newRealising()}
	if err := w.a.build(w.ctx, w.host, w.db); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	var parts sync.WaitGroup
	parts.Go(func() { w.a.engine.run(ctx) })
	parts.Go(func() { _ = w.a.bridgeLink.run(ctx) }) // ends with ctx
	w.t.Cleanup(func() { cancel(); parts.Wait(); w.a.supervisor.Close() })
	<-w.a.bridgeLink.first
	addresses, err := w.host.Addresses()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.a.engine.SetNodeAddresses(ctx, addresses); err != nil {
		w.t.Fatal(err)
	}
	parts.Go(func() { _ = w.a.source.Run(ctx, sink{w.a, ctx}) }) // ends with ctx
	var why error
	soon(w.t, func() bool { why = w.a.engine.waitReady(ctx); return why == nil }, func() string { return fmt.Sprint("the agent is not ready: ", why) })
	w.layer = policy.NewLayer("test", 0, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}}, policy.Limits{})
}

// isolate puts a policy into force: every Pod denies both directions, but for
// TCP to the port given.
func (w *world) isolate(port uint16) {
	w.t.Helper()
	txn := w.layer.Begin(true)
	requests := []abi.Request{&abi.PutSet{Name: "all", Spec: &abi.Pods{NamespaceSelector: &abi.Selector{}}}}
	for _, d := range []abi.Direction{abi.Ingress, abi.Egress} {
		name := fmt.Sprintf("direction-%d", d)
		requests = append(requests,
			&abi.PutIsolation{Name: name, Spec: abi.IsolationSpec{Tier: abi.Network, Direction: d, Subjects: []string{"all"}}},
			&abi.PutRule{Name: name, Spec: abi.RuleSpec{
				Tier: abi.Network, Direction: d, Subjects: []string{"all"}, AnyPeer: true, Action: abi.Allow,
				Ports: []abi.Port{{Protocol: abi.TCP, First: port, Last: port}},
			}})
	}
	for _, r := range requests {
		if err := txn.Stage(r); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.a.engine.Commit(w.ctx, w.layer, txn); err != nil {
		w.t.Fatal(err)
	}
}

// cni asks the agent as the plugin does.
func (w *world) cni(verb string, p testPod) *wire.Response {
	prev := fmt.Sprintf(`{"cniVersion":"1.1.0","interfaces":[{"name":%q},{"name":"eth0","sandbox":%q}],"ips":[{"address":"%s/32","interface":1},{"address":"%s/128","interface":1}]}`,
		p.veth, p.netns(), p.v4, p.v6)
	return w.a.attacher.Handle(w.ctx, &wire.Request{
		Command: verb, ContainerID: "container-" + p.name, Netns: p.netns(), IfName: "eth0",
		Args:   map[string]string{"K8S_POD_NAMESPACE": "shop", "K8S_POD_NAME": p.name},
		Config: fmt.Appendf(nil, `{"cniVersion":"1.1.0","name":"podnet","prevResult":%s}`, prev),
	})
}

func (w *world) must(r *wire.Response) {
	w.t.Helper()
	if r.Error != nil {
		w.t.Fatal(r.Error)
	}
}

// testLog writes a logger's lines to the test's output.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	_, err := fmt.Fprintf(l.t.Output(), "%s\n", bytes.TrimRight(b, "\n"))
	return len(b), err
}
