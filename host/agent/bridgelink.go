package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sluice-net/sluice/host/openflow"
)

// bridgeLink keeps a connection to the bridge. Each new one begins with a dump:
// what is not as wanted is written.
type bridgeLink struct {
	path   string
	engine *engine
	log    *slog.Logger
	first  chan struct{} // closed with the first connection
	over   func() bool   // says that there will be no bridge any more
	// hear takes the packets that the bridge sends to the agent, until the
	// connection ends.
	hear func(context.Context, bridge)
	// begun is called with each new connection, which may be one to an
	// ovs-vswitchd that has just started.
	begun func(context.Context)
}

// The pause before the next attempt to reach the bridge.
const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

func (l *bridgeLink) run(ctx context.Context) error {
	pause, once := firstPause, sync.OnceFunc(func() { close(l.first) })
	for ctx.Err() == nil {
		conn, err := openflow.Dial(ctx, l.path, openflow.Options{Logger: l.log})
		if err == nil {
			var hearing sync.WaitGroup
			hearing.Go(func() { l.hear(ctx, conn) })
			if err = l.engine.connect(ctx, conn); err == nil {
				l.log.Info("connected to the bridge", "socket", l.path)
				pause = firstPause
				l.begun(ctx)
				once()
				select {
				case <-conn.Done():
					err = conn.Err()
				case <-ctx.Done():
				}
			}
			_ = conn.Close()
			hearing.Wait()
			l.engine.disconnect(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if l.over() {
			<-ctx.Done()
			return nil
		}
		l.log.Warn("no connection to the bridge; flows stay as they are", "socket", l.path, "error", err, "again in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, longPause)
	}
	return nil
}

// connect takes a connection into use and writes what differs.
func (e *engine) connect(ctx context.Context, conn *openflow.Conn) error {
	return e.do(ctx, task{change: func() error {
		e.conn = conn
		return e.dp.Connect(ctx, aside{conn})
	}})
}

func (e *engine) disconnect(ctx context.Context) {
	_ = e.ask(ctx, func() { // only the end of ctx can prevent it
		e.conn = nil
		e.dp.Disconnect()
	})
}
