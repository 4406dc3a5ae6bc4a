package report

import (
	"math/rand/v2"
	"time"
)

// writesPerSecond is how many statuses all agents of a cluster write together.
const writesPerSecond = 100

// pace says how an agent spreads its writes, so that a change which concerns every
// node is not written by all of them at once.
type pace struct{ nodes int }

// spread is the time in which all nodes write once: 0.5 s for 50 nodes, 50 s for 5000.
func (p pace) spread() time.Duration {
	return time.Duration(max(p.nodes, 1)) * time.Second / writesPerSecond
}

// wait is how long an agent waits with a change, if it has not written for since.
func (p pace) wait(since time.Duration) time.Duration {
	spread := p.spread()
	return max(time.Duration(rand.Int64N(int64(spread)+1)), spread-since)
}
