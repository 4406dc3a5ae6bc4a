package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
)

type cniAddSize struct{ pods int }

func TestCNIAdd(t *testing.T) {
	out := newTable()
	cniAdd(t, out, cniAddSize{pods: 3})
	if len(out.Rows) != 2 {
		t.Errorf("%+v", out.Rows)
	}
}

// cniAdd times CNI ADD of every Pod of a node, through libcni and the real
// plugins, in two labs in turn: in one the primary plugin is alone, in the other
// Sluice is chained behind it and policies are in force.
func cniAdd(tb testing.TB, out *table, size cniAddSize) {
	ctx := tb.Context()
	pods := labPods(size.pods, 0)
	alone := startLab(tb, lab.Options{PolicyFree: true}, pods)
	chained := startLab(tb, lab.Options{}, pods)
	putPolicies(tb, chained, labPolicies(20))

	timed := func(l *lab.Lab, pod string) time.Duration {
		if err := l.DetachPod(ctx, pod); err != nil {
			tb.Fatal(err)
		}
		start := time.Now()
		if err := l.AttachPod(ctx, pod); err != nil {
			tb.Fatal(err)
		}
		return time.Since(start)
	}
	var without, with []time.Duration
	for i := range size.pods {
		pod := fmt.Sprintf("shop/pod-%03d", i)
		without = append(without, timed(alone, pod))
		with = append(with, timed(chained, pod))
	}
	for _, p := range []float64{50, 99} {
		limit := map[float64]float64{50: 100, 99: 500}[p]
		primary := percentile(without, p)
		out.add(row{
			Work: fmt.Sprintf("CNI ADD, %d Pods: added by Sluice, p%.0f", size.pods, p), Figure: percentile(with, p) - primary, Unit: "ms",
			Peer: "ptp alone", PeerFigure: primary, Aim: atMost(limit).own(),
		})
	}
}
