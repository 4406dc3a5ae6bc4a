package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

type reloadSize struct{ policies, reloads int }

func TestReload(t *testing.T) {
	out := newTable()
	reload(t, out, reloadSize{policies: 2, reloads: 1})
	for _, unit := range []string{"packets", "flow-mods"} {
		for _, miss := range out.missed(unit) {
			t.Error(miss)
		}
	}
}

// reload swaps the module for another file with the same logic while 1000
// datagrams a second run between two Pods that a policy lets meet.
func reload(tb testing.TB, out *table, size reloadSize) {
	ctx := tb.Context()
	original := labtest.Module(tb, "networkpolicy")
	content, err := os.ReadFile(original)
	if err != nil {
		tb.Fatal(err)
	}
	l := startLab(tb, lab.Options{Modules: []string{original}}, labPods(4, 2))
	putPolicies(tb, l, labPolicies(size.policies))
	written := flowsWritten(tb, l)
	stream, err := l.UDPStream(lab.StreamSpec{From: "shop/pod-000", To: "shop/pod-001", Rate: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	defer stream.Stop()
	if err := stream.WaitFlowing(ctx, 500); err != nil {
		tb.Fatal(err)
	}
	var took []time.Duration
	for i := range size.reloads {
		// A custom section (WebAssembly core specification, 5.5.3) changes the file
		// and not the program.
		next := filepath.Join(tb.TempDir(), "next.wasm")
		if err := os.WriteFile(next, append(content[:len(content):len(content)], 0, 3, 2, 'n', byte('0'+i%10)), 0o600); err != nil {
			tb.Fatal(err)
		}
		start := time.Now()
		digest, err := l.ReplaceModule("networkpolicy", next)
		if err != nil {
			tb.Fatal(err)
		}
		if err := l.WaitModule(ctx, "networkpolicy", digest); err != nil {
			tb.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	if err := stream.WaitFlowing(ctx, stream.Report().Received+500); err != nil {
		tb.Fatal(err)
	}
	report := stream.Stop()
	if report.Err != nil || report.Duplicates > 0 {
		tb.Errorf("the stream: %v", report)
	}
	work := fmt.Sprintf("%d reloads of a module with %s policies: ", size.reloads, number(float64(size.policies)))
	out.add(row{Work: work + "lost at 1000 packets/s", Figure: float64(report.Lost), Unit: "packets", Peer: "sent", PeerFigure: float64(report.Sent), Aim: atMost(0)})
	out.add(row{Work: work + "flow-mods", Figure: float64(flowsWritten(tb, l) - written), Unit: "flow-mods", Aim: atMost(0)})
	out.add(row{
		Work: work + "file written to cut-over, p50", Figure: percentile(took, 50), Unit: "ms",
		Note: "most of it is the compilation of the Wasm module, beside the generation at work",
	})
}
