package agent

import (
	"context"
	"runtime/debug"
	"time"
)

// startOver is when, after the first enforcement, what only the start needed is no
// longer in use: the objects as they came from the API, and the flows as they were sent.
const startOver = 5 * time.Second

// giveBack returns the memory of the start to the node. By itself Go keeps it for a heap
// that would grow so large again.
func (a *agent) giveBack(ctx context.Context) error {
	select {
	case <-a.engine.ready:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-time.After(startOver):
	case <-ctx.Done():
		return nil
	}
	debug.FreeOSMemory()
	return nil
}
