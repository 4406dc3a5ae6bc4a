package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/refuse"
)

// hearing takes the packets that the switch sends to the agent: it answers those
// that are refused at once, and puts those that are logged in a queue, so that
// neither waits for the other.
type hearing struct {
	dp      *datapath.Datapath // Answer only: the rest is the engine's
	audit   *audit             // nil: nothing is logged
	names   *nameWatch
	metrics *observe.DecisionMetrics
	log     *slog.Logger
}

// bridge is a connection to the bridge, as far as it concerns packets.
type bridge interface {
	datapath.FlowDumper
	PacketIns() <-chan openflow.PacketIn
	SendPacket(ctx context.Context, p openflow.PacketOut) error
}

// listen returns when the connection ends.
func (h *hearing) listen(ctx context.Context, b bridge) {
	var heard atomic.Uint64
	if h.audit != nil {
		watching, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { h.watchLoss(watching, b, &heard) })
		defer watch.Wait()
		defer stop()
	}
	for p := range b.PacketIns() {
		if p.Cookie == namesCookie {
			h.names.hear(ctx, handed{p, b})
			continue
		}
		e, err := datapath.ReadEvent(p)
		switch {
		case err != nil:
			h.log.Debug("a packet from the switch that nobody asked for", "error", err)
		case e.Kind == datapath.KindRefuse, e.Kind == datapath.KindUnreachable:
			h.refuse(ctx, b, e)
		case e.Kind == datapath.KindLog && h.audit != nil:
			heard.Add(1)
			h.audit.hear(e)
		}
	}
}

// refuse tells the sender of a packet that it was rejected. The answer goes past
// all flows to the port where the packet came in, so nothing polices it.
func (h *hearing) refuse(ctx context.Context, b bridge, e datapath.Event) {
	packet, kind, err := h.dp.Answer(e)
	if err == nil {
		err = b.SendPacket(ctx, packet)
	}
	switch {
	case err == nil:
		h.metrics.Refused.WithLabelValues(string(kind)).Inc()
	case errors.Is(err, refuse.ErrSilence):
		h.metrics.Refused.WithLabelValues("none").Inc()
		h.log.Debug("a rejected packet gets no answer", "port", e.InPort, "reason", err)
	default:
		h.metrics.Refused.WithLabelValues("failed").Inc()
		h.log.Debug("answering a rejected packet", "port", e.InPort, "error", err)
	}
}

func (a *agent) hearing() *hearing {
	return &hearing{dp: a.engine.dp, audit: a.audit, names: a.names, metrics: a.metrics.decision, log: a.log}
}

// lossEvery is how often the switch's count of decisions to be logged is compared with
// what arrived.
const lossEvery = 2 * time.Second

// watchLoss counts decisions that the switch's meter, or a full queue, kept from the
// agent, so that the audit log can say how many lines are missing.
func (h *hearing) watchLoss(ctx context.Context, b bridge, heard *atomic.Uint64) {
	var loss lossCount
	tick := time.NewTicker(lossEvery)
	defer tick.Stop()
	for {
		counted, err := datapath.LoggedPackets(ctx, b)
		if err != nil {
			if ctx.Err() == nil {
				h.log.Debug("reading how many decisions were to be logged", "error", err)
			}
		} else if n := loss.lost(counted, heard.Load()); n > 0 {
			h.audit.log.Dropped(n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// lossCount compares what was heard by now with what had been counted one look
// before: what is still on its way is not lost.
type lossCount struct {
	started        bool
	base, previous uint64 // counted at the start, and at the last look
	told           uint64
}

func (l *lossCount) lost(counted, heard uint64) (n uint64) {
	if !l.started || counted < l.previous { // somebody has set the counters back
		*l = lossCount{started: true, base: counted - heard, previous: counted}
		return 0
	}
	if should := l.previous - l.base; should > heard+l.told {
		n = should - heard - l.told
	}
	l.told += n
	l.previous = counted
	return n
}
