package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/refuse"
	"github.com/sluice-net/sluice/tests/nettest"
)

// rig is a node with a datapath of Sluice, whose gateway leads to everything else.
type rig struct {
	*nettest.Node
	t     testing.TB
	conn  *of.Conn
	inv   *inventory.Inventory
	dp    *datapath.Datapath
	layer *policy.Layer
	told  atomic.Int32
}

var vips = [2]netip.Addr{netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("fd96::1")}

// newRig is a node with n Pods.
func newRig(t testing.TB, n int) *rig {
	t.Helper()
	r := &rig{t: t, Node: nettest.NewNode(t, n), inv: inventory.New()}
	r.layer = policy.NewLayer("test", 1, policy.Grant{
		Tiers:   []abi.Tier{abi.Admin, abi.Network, abi.Baseline},
		Actions: []abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass},
	}, policy.Limits{})
	r.inv.PutNamespace(inventory.Namespace{Name: "x"})
	r.connect()
	r.dp = r.freshDatapath()
	r.must(r.dp.Connect(t.Context(), r.conn))
	r.realise()
	return r
}

// freshDatapath knows the Pods, and nothing of the bridge.
func (r *rig) freshDatapath() *datapath.Datapath {
	dp := datapath.New(datapath.Options{Inventory: r.inv, Logger: slog.New(slog.NewTextHandler(r.t.Output(), nil))})
	dp.SetGateway(datapath.Gateway{OFPort: nettest.GatewayOFPort, MAC: r.GatewayMAC()})
	for i, p := range r.Pods {
		name := podName(i)
		r.inv.PutPod(inventory.Pod{Namespace: "x", Name: name, Labels: map[string]string{"app": name}, Addresses: p.Addresses[:]})
		dp.PutPod(datapath.LocalPod{Namespace: "x", Name: name, OFPort: p.OFPort, MAC: p.MAC, Addresses: p.Addresses[:]})
	}
	return dp
}

func podName(i int) string { return fmt.Sprintf("p%d", i) }

func (r *rig) connect() {
	r.t.Helper()
	var err error
	r.conn, err = of.Dial(r.t.Context(), r.OVS.MgmtSocket(nettest.Bridge), of.Options{Logger: slog.New(slog.NewTextHandler(r.t.Output(), nil))})
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

// await fails the test if something does not happen in a time that is long for it.
func (r *rig) await(what string, happened func() bool) {
	r.t.Helper()
	nettest.Await(r.t, 20*time.Second, what, happened)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
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
		r.OVS.Run("ovs-appctl", append([]string{"dpctl/flush-conntrack"}, stale.FlushParams()...)...)
	}
	return n
}

// settle waits for a round of the revalidators to end.
func (r *rig) settle() {
	r.t.Helper()
	r.OVS.Run("ovs-appctl", "revalidator/wait")
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
		s.Backends = append(s.Backends, netip.AddrPortFrom(r.Pods[b].Addresses[family], 8080))
	}
	return s
}
