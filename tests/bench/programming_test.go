package bench

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/tests/ovstest"
)

type programmingSize struct {
	flows  []int
	rounds []int // of each
}

func TestProgramming(t *testing.T) {
	out := newTable()
	programming(t, out, programmingSize{flows: []int{200}, rounds: []int{2}})
	if len(out.Rows) != 1 || out.Rows[0].Ratio == 0 {
		t.Errorf("%+v", out.Rows)
	}
}

// programming loads the same flows into the same bridge in turn through
// host/openflow, from the first message to the answer to the barrier, and
// through `ovs-ofctl --bundle add-flows`, which reads them as text from a file.
func programming(tb testing.TB, out *table, size programmingSize) {
	ovs := ovstest.Start(tb, ovstest.Options{})
	socket := ovs.AddBridge("br0")
	ctx := tb.Context()
	conn, err := openflow.Dial(ctx, socket, openflow.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	empty := func() {
		if err := conn.Apply(ctx, []openflow.Mod{openflow.DeleteFlows(openflow.FlowFilter{})}); err != nil {
			tb.Fatal(err)
		}
	}
	for i, n := range size.flows {
		mods, file := someFlows(tb, n)
		var ours, theirs []time.Duration
		for range size.rounds[i] {
			empty()
			start := time.Now()
			if err := conn.Apply(ctx, mods); err != nil {
				tb.Fatal(err)
			}
			ours = append(ours, time.Since(start))
			empty()
			start = time.Now()
			ovs.Run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", "unix:"+socket, file)
			theirs = append(theirs, time.Since(start))
		}
		if flows, err := conn.DumpFlows(ctx, openflow.FlowFilter{}); err != nil || len(flows) != n {
			tb.Fatalf("%d flows are there, want %d (%v)", len(flows), n, err)
		}
		out.add(row{
			Work: fmt.Sprintf("programming %s flows, to the barrier", number(float64(n))), Figure: percentile(ours, 50), Unit: "ms",
			Peer: "ovs-ofctl --bundle", PeerFigure: percentile(theirs, 50), Aim: ratioAtMost(1),
		})
	}
}

// someFlows makes n flows like those that classify addresses and decide about
// them, as modifications and as a file for ovs-ofctl.
func someFlows(tb testing.TB, n int) ([]openflow.Mod, string) {
	var text strings.Builder
	mods := make([]openflow.Mod, 0, n)
	for i := range n {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		f := openflow.Flow{
			Table: uint8(10 + i%3), Priority: uint16(100 + i%7), Cookie: uint64(i),
			Match: openflow.MatchOf(openflow.EthType.Is(0x0800), openflow.IPProto.Is(6), openflow.IPv4Src.Addr(addr), openflow.TCPDst.Is(uint64(i%65536)),
				openflow.Reg(0).Masked(uint64(i%16), 0xff)),
			Actions: openflow.Do(openflow.Load(openflow.Reg(1), 0, 32, uint64(i)), openflow.Resubmit(20)),
			Goto:    30,
		}
		mods = append(mods, openflow.AddFlow(f))
		text.WriteString(f.String() + "\n")
	}
	file := filepath.Join(tb.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return mods, file
}
