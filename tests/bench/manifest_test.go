package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	objects "github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/openflow"
)

type manifestSize struct{ policies, changes int }

func TestManifestChange(t *testing.T) {
	out := newTable()
	manifestChange(t, out, manifestSize{policies: 2, changes: 3})
	if len(out.Rows) != 2 || out.Rows[0].Figure < millis(objects.DefaultQuiet) {
		t.Errorf("%+v", out.Rows)
	}
}

// manifestChange writes a policy into the directory of manifests again and
// again, each time with another port, and waits until a second OpenFlow
// connection is told of the flow with that port. A bundle is atomic: the first
// flow of it that is there is the last.
//
// The peer is the time for which the agent lets files rest before it reads
// them, which is the least that a change can take.
func manifestChange(tb testing.TB, out *table, size manifestSize) {
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Minute)
	defer cancel()
	l := startLab(tb, lab.Options{}, labPods(10, 0))
	putPolicies(tb, l, labPolicies(size.policies))
	conn, err := openflow.Dial(ctx, l.OVS(lab.DefaultNode).Management(), openflow.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	updates, err := conn.MonitorFlows(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	var took []time.Duration
	for i := range size.changes {
		port := 20_000 + i
		start := time.Now()
		if err := l.ApplyContent("changing.yaml", []byte(labPolicy("changing", i%10, port))); err != nil {
			tb.Fatal(err)
		}
		waitPort(tb, ctx, updates, uint64(port))
		took = append(took, time.Since(start))
	}
	for _, p := range []float64{50, 99} {
		out.add(row{
			Work: fmt.Sprintf("manifest written, to the barrier, p%.0f of %d", p, size.changes), Figure: percentile(took, p), Unit: "ms",
			Peer: "files must rest", PeerFigure: millis(objects.DefaultQuiet), Aim: ratioAtMost(3).own(),
		})
	}
}

// waitPort returns once a flow that matches the destination port has come.
func waitPort(tb testing.TB, ctx context.Context, updates <-chan openflow.FlowUpdate, port uint64) {
	tb.Helper()
	for {
		select {
		case u, open := <-updates:
			if !open || u.Event == openflow.UpdatesLost {
				tb.Fatalf("the flow monitor ended or lost something: %+v", u)
			}
			for _, c := range u.Flow.Match.Clauses() {
				if value, _ := c.Uint64(); u.Event != openflow.FlowRemoved && c.Field() == openflow.CTTpDst && value == port {
					return
				}
			}
		case <-time.After(30 * time.Second):
			tb.Fatalf("no flow for port %d within 30 s", port)
		case <-ctx.Done():
			tb.Fatal(ctx.Err())
		}
	}
}
