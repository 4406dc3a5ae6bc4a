package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

type policyChangeSize struct {
	cluster           cluster
	policies, changes int
}

func TestPolicyChange(t *testing.T) {
	out := newTable()
	policyChange(t, out, policyChangeSize{cluster: cluster{pods: 500, spaces: 5, apps: 50, local: 10}, policies: 50, changes: 5})
	if len(out.Rows) != 3 {
		t.Errorf("%+v", out.Rows)
	}
}

// policyChange changes one policy at a time of those that are about a Pod of this
// node, at the full size of the cluster, from the event until Open vSwitch has
// answered the barrier. The event goes through the real module in its sandbox.
//
// The peer is the least that it can take: as many flow-mods in a bundle, and the
// barrier, and nothing else.
func policyChange(tb testing.TB, out *table, size policyChangeSize) {
	labtest.Module(tb, "networkpolicy")
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Minute)
	defer cancel()
	ovs := ovstest.Start(tb, ovstest.Options{})
	conn, err := of.Dial(ctx, ovs.AddBridge("br0"), of.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	c := size.cluster
	n := newNode(tb, conn)
	s, err := supervise(n, labtest.Bin(tb))
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	c.fill(n.inv, n.dp)
	events := make([]abi.Event, size.policies)
	for i := range events {
		events[i] = c.object(i, 8000).event(1)
	}
	s.Deliver(events)
	s.Synced()
	first := next(tb, ctx, n, "the first commit")

	var took, bare []time.Duration
	for k := range size.changes {
		i := k * 7 % c.local
		event := c.object(i, 9000+k).event(int64(2 + k))
		start := time.Now()
		s.Deliver([]abi.Event{event})
		changed := next(tb, ctx, n, "a change")
		took = append(took, changed.at.Sub(start))
		if changed.written == 0 {
			tb.Fatalf("change %d of policy %d wrote nothing", k, i)
		}
		bare = append(bare, writeAlone(tb, ctx, conn, changed.written))
	}
	if err := s.Settled(ctx); err != nil {
		tb.Fatal(err)
	}
	out.add(row{
		Work:   fmt.Sprintf("one policy changes at that size, event to barrier, p50 of %d", size.changes),
		Figure: percentile(took, 50), Unit: "ms", Peer: "the flow-mods alone", PeerFigure: percentile(bare, 50), Aim: atMost(10),
	})
	out.add(row{
		Work: "  ... p99", Figure: percentile(took, 99), Unit: "ms", Peer: "the flow-mods alone", PeerFigure: percentile(bare, 99), Aim: atMost(50),
	})
	out.add(row{
		Work: "  all flows written to Open vSwitch at the start", Figure: first.write.Seconds(), Unit: "s",
		Note: fmt.Sprintf("%s flows", number(float64(first.written))),
	})
}

func next(tb testing.TB, ctx context.Context, n *node, what string) commit {
	tb.Helper()
	select {
	case c := <-n.committed:
		return c
	case <-ctx.Done():
		tb.Fatalf("waiting for %s: %v", what, ctx.Err())
		return commit{}
	}
}

// writeAlone writes flows into a table that nothing uses and times it.
func writeAlone(tb testing.TB, ctx context.Context, conn *of.Conn, n int) time.Duration {
	tb.Helper()
	const unused = 200
	mods := make([]of.Mod, n)
	for i := range mods {
		mods[i] = of.AddFlow(of.Flow{Table: unused, Priority: 1, Match: of.MatchOf(of.Reg(1).Is(uint64(i)))})
	}
	start := time.Now()
	if err := conn.Apply(ctx, mods); err != nil {
		tb.Fatal(err)
	}
	took := time.Since(start)
	for i := range mods {
		mods[i] = of.DeleteFlowStrict(of.FlowKey{Table: unused, Priority: 1, Match: of.MatchOf(of.Reg(1).Is(uint64(i)))})
	}
	if err := conn.Apply(ctx, mods); err != nil {
		tb.Fatal(err)
	}
	return took
}
