package bench

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// node is the policy engine of one node, as the agent puts it together.
type node struct {
	mu    sync.Mutex
	inv   *inventory.Inventory
	dp    *datapath.Datapath
	layer *policy.Layer // of the policies that put takes; a supervisor brings its own
	// committed hears of every commit of a supervisor, once it is behind the barrier.
	committed chan commit
}

// commit says how a transaction of a module went.
type commit struct {
	at      time.Time
	written int
	// check, compile and write are the parts of it: the transaction and its
	// difference, the flows that are wanted, the flows that are written.
	check, compile, write time.Duration
}

func newNode(tb fataler, sw datapath.Switch) *node {
	inv := inventory.New()
	n := &node{
		inv: inv, dp: datapath.New(datapath.Options{
			Inventory: inv, Logger: slog.New(slog.DiscardHandler),
			// The large cluster and the long list need more flows than the default admits.
			Limits: datapath.Limits{Flows: 4_000_000},
		}),
		layer: policy.NewLayer("networkpolicy", 0, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Allow}}, policy.Limits{}),
		// There is one module, and who waits for its commits takes each.
		committed: make(chan commit, 16),
	}
	n.dp.SetGateway(datapath.Gateway{OFPort: 1, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}})
	if err := n.dp.Connect(context.Background(), sw); err != nil {
		tb.Fatal(err)
	}
	return n
}

type fataler interface{ Fatal(...any) }

// Commit implements plugin.Committer.
func (n *node) Commit(ctx context.Context, layer *policy.Layer, txn *policy.Txn) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	start := time.Now()
	if err := txn.Check(); err != nil {
		return err
	}
	delta := txn.Delta()
	checked := time.Now()
	if err := n.dp.Commit(delta); err != nil {
		return err
	}
	compiled := time.Now()
	written, err := n.dp.Realise(ctx)
	if err != nil {
		return err
	}
	c := commit{at: time.Now(), written: written, check: checked.Sub(start), compile: compiled.Sub(checked)}
	c.write = c.at.Sub(compiled)
	layer.Commit(txn)
	n.committed <- c
	return nil
}

// put brings policies into force, through the module's translation but without
// Wasm, and returns the number of flow-mods.
func (n *node) put(tb testing.TB, policies ...object) int {
	tb.Helper()
	txn := n.layer.Begin(false)
	for _, p := range policies {
		requests, err := translate.Policy(p.namespace, p.name, p.json)
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range requests {
			if err := txn.Stage(r); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := n.Commit(tb.Context(), n.layer, txn); err != nil {
		tb.Fatal(err)
	}
	if failed := n.dp.Failed(); len(failed) > 0 {
		tb.Fatalf("rules that were not compiled: %v", failed)
	}
	return (<-n.committed).written
}

// realise writes what happened in the inventory and returns the number of flow-mods.
func (n *node) realise(tb testing.TB) int {
	tb.Helper()
	n.dp.Refresh()
	written, err := n.dp.Realise(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return written
}

// object is a policy object.
type object struct {
	namespace, name string
	json            []byte
}

func (c cluster) object(i, port int) object {
	namespace, name, json := c.policy(i, port)
	return object{namespace, name, json}
}

// nowhere is a switch that takes all flows and keeps none.
type nowhere struct{ *flowsim.Switch }

func (nowhere) Apply(context.Context, []of.Mod) error { return nil }
