package datapath_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
)

// Of two flows of one table and priority no packet matches both, whatever Services
// there are: which one it met would be up to Open vSwitch. (Of rule tables, where
// that is allowed as long as both do the same, flowsim makes sure.)
func TestFlowsOfServicesDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWorld(t)
		for range rapid.IntRange(1, 6).Draw(t, "services") {
			if err := w.dp.PutService(w.genService(t)); err != nil {
				t.Fatal(err)
			}
		}
		w.realise(t)
		type level struct {
			table    uint8
			priority uint16
		}
		levels := map[level][]of.Flow{}
		for _, f := range w.sw.Flows() {
			if f.Table >= uint8(datapath.SourceClass) && f.Table <= uint8(datapath.IngressBaseline) {
				continue
			}
			at := level{f.Table, f.Priority}
			for _, other := range levels[at] {
				if !contradict(f.Match, other.Match) {
					t.Fatalf("two flows overlap:\n%s\n%s", f, other)
				}
			}
			levels[at] = append(levels[at], f)
		}
	})
}

// contradict says that some bit of some field must be 0 for one and 1 for the other.
func contradict(a, b of.Match) bool {
	for _, x := range a.Clauses() {
		for _, y := range b.Clauses() {
			if x.Field() != y.Field() {
				continue
			}
			xv, xm, yv, ym := x.Value(), x.Mask(), y.Value(), y.Mask()
			for i := range xv {
				if (xv[i]^yv[i])&xm[i]&ym[i] != 0 {
					return true
				}
			}
		}
	}
	return false
}
