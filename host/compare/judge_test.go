package compare_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/policy"
)

// TestJudgeAgainstEvaluate: about every pair of addresses and every port.
func TestJudgeAgainstEvaluate(t *testing.T) {
	asked, differ, self := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		before := drawLayers(t, "before")
		after := drawEdit(t, before)
		old, now := layersOf(t, before), layersOf(t, after)
		half := rapid.IntRange(0, 1).Draw(t, "half")
		snapshot := c.inv.Snapshot()
		judge, err := compare.NewJudge(snapshot, old, now)
		if err != nil {
			t.Fatal(err)
		}
		for from := range c.addresses {
			for to := range c.addresses {
				if from.Is4() != to.Is4() {
					continue
				}
				for i, p := range portsToAsk(from.Is4()) {
					// Of a Pod and itself every other one goes through a Service, and in each
					// history another half of them.
					packet := policy.Packet{Source: from, Destination: to, Protocol: p.protocol, Port: p.port, ThroughService: from == to && i%2 == half}
					wantBefore := outcome(policy.Evaluate(policy.View{Inventory: snapshot, Layers: old}, packet))
					wantAfter := outcome(policy.Evaluate(policy.View{Inventory: snapshot, Layers: now}, packet))
					gotBefore, gotAfter := judge.Verdicts(packet)
					if gotBefore != wantBefore || gotAfter != wantAfter {
						t.Fatalf("%+v: %d and %d; Evaluate says %d and %d\nbefore %s\nafter %s", packet, gotBefore, gotAfter, wantBefore, wantAfter, before, after)
					}
					asked++
					if gotBefore != gotAfter {
						differ++
					}
					if packet.ThroughService && gotBefore != abi.Allow {
						self++
					}
				}
			}
		}
		direct, err := compare.Compare(t.Context(), snapshot, old, now, compare.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if same, err := judge.Compare(t.Context(), compare.Options{}); err != nil || same.NewAllows != direct.NewAllows || same.NewDenies != direct.NewDenies || len(same.Changes) != len(direct.Changes) {
			t.Fatalf("%+v, %v; directly %+v", same, err, direct)
		}
	})
	t.Logf("%d connections, %d judged differently", asked, differ)
	if differ < 1000 {
		t.Errorf("of %d connections %d were judged differently: they no longer test much", asked, differ)
	}
	if self < 100 {
		t.Errorf("%d times a Pod was kept from itself: it no longer tests much", self)
	}
}
