package agent

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/nettest"
)

// rig is an engine with a real Open vSwitch and one Pod. What is behind the
// gateway counts as the outside.
type rig struct {
	*nettest.Node
	pod    nettest.Pod
	t      *testing.T
	agent  *agent
	layer  *policy.Layer
	ctx    context.Context
	audit  string
	cancel context.CancelFunc
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, Node: nettest.NewNode(t, 1)}
	r.pod = r.Pods[0]
	r.ctx, r.cancel = context.WithCancel(t.Context())
	a := &agent{log: slog.New(slog.NewTextHandler(t.Output(), nil)), metrics: newMetrics(), realising: newRealising()}
	r.audit = filepath.Join(t.TempDir(), "audit.log")
	a.Config.Audit.File = r.audit
	a.engine = newEngine(a.log, nil, datapath.Limits{})
	if err := a.openAudit(); err != nil {
		t.Fatal(err)
	}
	a.engine.dp.SetGateway(datapath.Gateway{OFPort: nettest.GatewayOFPort, MAC: r.GatewayMAC()})
	a.bridgeLink = &bridgeLink{path: r.OVS.MgmtSocket(nettest.Bridge), engine: a.engine, log: a.log, first: make(chan struct{}), hear: a.hearing().listen, begun: a.admitSmallFragments}
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
		a.engine.inv.PutPod(inventory.Pod{Namespace: "x", Name: "p", Labels: map[string]string{"app": "a"}, Addresses: r.pod.Addresses[:]})
		return nil
	}}))
	r.must(a.engine.Synced(r.ctx))
	r.must(a.engine.AttachPod(r.ctx, datapath.LocalPod{
		Namespace: "x", Name: "p", OFPort: r.pod.OFPort, MAC: r.pod.MAC, Addresses: r.pod.Addresses[:],
	}))
	// The cache of the datapath follows the first flows some time behind them.
	r.OVS.Run("ovs-appctl", "revalidator/wait")
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// dial opens a connection from a network namespace; a second is long for one that is
// answered.
func (r *rig) dial(ns, network, address string) (c net.Conn, err error) {
	r.t.Helper()
	nettest.Do(r.t, ns, func() error {
		c, err = net.DialTimeout(network, address, time.Second)
		return nil // a refusal may be what is asked for
	})
	return c, err
}

// listen accepts TCP connections in the host namespace.
func (r *rig) listen(address string) net.Listener {
	r.t.Helper()
	var l net.Listener
	nettest.Do(r.t, r.NetNS, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
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
		&abi.PutSet{Name: "host", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: nettest.Single(r.Addresses[0])}, {CIDR: nettest.Single(r.Addresses[1])}}}},
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
