package agent

import (
	"context"
	"testing"
	"time"
)

// An engine that is busy for a while is alive; one that never answers is not.
func TestPulse(t *testing.T) {
	var p pulse
	start := time.Unix(1_000_000, 0)
	for _, step := range []struct {
		after time.Duration
		err   error
		dead  bool
	}{
		{0, nil, false},
		{time.Second, context.DeadlineExceeded, false},
		{deadAfter, context.DeadlineExceeded, false},
		{deadAfter + 2*time.Second, context.DeadlineExceeded, true},
		{deadAfter + 3*time.Second, nil, false},
		{2*deadAfter + 4*time.Second, context.DeadlineExceeded, false},
	} {
		if err := p.beat(start.Add(step.after), step.err); (err != nil) != step.dead {
			t.Errorf("after %v with %v: %v", step.after, step.err, err)
		}
	}
}
