package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// A node that waits for a module goes on waiting if the bridge refuses the
// module's first commit: nobody else's change may open it without that policy.
func TestARefusedFirstCommitKeepsTheNodeHeld(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := newEngine(slog.New(slog.DiscardHandler), []string{"policy"}, datapath.Limits{})
	sw := flowsim.New()
	e.dp.SetGateway(datapath.Gateway{OFPort: 1, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}})
	if err := e.dp.Connect(ctx, sw); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { e.run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	if err := e.Synced(ctx); err != nil {
		t.Fatal(err)
	}

	layer := policy.NewLayer("policy", 1, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Deny}}, policy.Limits{})
	put := func() error {
		txn := layer.Begin(true)
		if err := txn.Stage(&abi.PutSet{Name: "far", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: "10.0.0.0/8"}}}}); err != nil {
			t.Fatal(err)
		}
		return e.Commit(ctx, layer, txn)
	}
	sw.Refuse = errors.New("not today")
	if err := put(); !errors.Is(err, sw.Refuse) {
		t.Fatalf("the first commit: %v, want the refusal", err)
	}
	sw.Refuse = nil
	if err := e.SetNodeAddresses(ctx, []netip.Addr{netip.MustParseAddr("192.168.0.1")}); err != nil {
		t.Fatal(err)
	}
	if err := e.waitReady(ctx); err == nil || sw.Written != 0 {
		t.Errorf("the node is open (%v) and %d flows were written without the policy that it waits for", err, sw.Written)
	}
	if err := put(); err != nil {
		t.Fatalf("the same commit once the bridge takes it: %v", err)
	}
	if err := e.waitReady(ctx); err != nil || sw.Written == 0 {
		t.Errorf("the node is still held (%v), %d flows written", err, sw.Written)
	}
}
