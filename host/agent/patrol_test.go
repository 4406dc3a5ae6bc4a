package agent

import (
	"testing"
	"time"
)

// What was changed by hand is put back within 10 s, unless comparing takes so
// long that the engine would do little else.
func TestPatrolRests(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: patrolEvery, time.Second: patrolEvery, 5 * time.Second: 30 * time.Second,
	} {
		if rest := patrolAfter(took); rest != want {
			t.Errorf("after %v it rests %v, want %v", took, rest, want)
		}
	}
}
