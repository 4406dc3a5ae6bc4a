package report

import (
	"testing"
	"time"
)

// However large the cluster, its agents together write at most so often; and an agent
// alone is told at once.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		nodes int
		want  time.Duration
	}{{0, 10 * time.Millisecond}, {1, 10 * time.Millisecond}, {50, 500 * time.Millisecond}, {5000, 50 * time.Second}} {
		p := pace{c.nodes}
		if got := p.spread(); got != c.want {
			t.Errorf("%d nodes: %v, want %v", c.nodes, got, c.want)
		}
		for range 100 {
			if w := p.wait(time.Hour); w < 0 || w > c.want {
				t.Errorf("%d nodes, after a long time: waits %v", c.nodes, w)
			}
			if w := p.wait(0); w != c.want {
				t.Errorf("%d nodes, at once: waits %v, want %v", c.nodes, w, c.want)
			}
		}
	}
}
