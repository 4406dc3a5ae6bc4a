package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/recording"
	"github.com/sluice-net/sluice/host/sandbox"
)

// generation is one image in one process, with the feed that tells it what it
// has not heard yet. It is used by one goroutine at a time.
type generation struct {
	*image
	process *sandbox.Process
	feed    *feed
	cancel  context.CancelFunc // ends the process
	config  json.RawMessage    // that it was given
	started time.Time

	// stale means that the module and the host do not agree on what is in force:
	// the next batch is a snapshot.
	stale    bool
	sequence uint64
	buf      []byte
	tally    *tally
	ring     *recording.Ring // what it heard and said last
}

// void is the end of a transaction that is nobody's failure: the module said
// that it cannot do it, or the host could not commit it. The generation goes on.
type void struct{ reason string }

func (v *void) Error() string { return v.reason }

// feedSnapshot hands the whole state over, cut into batches if it is large, as
// one transaction.
func (g *generation) feedSnapshot(layer *policy.Layer, objects []abi.Event) (*transaction, error) {
	t := begin(layer, true, &g.effective)
	deadline := time.Now().Add(g.snapshotTimeout())
	state := append([]abi.Event{&abi.Configure{JSON: g.config}}, g.timeOfSnapshot()...)
	state = append(state, objects...)
	for i, events := range batches(state) {
		if err := g.handle(t, events, i == 0, time.Until(deadline), g.snapshotTimeout()); err != nil {
			return nil, err
		}
	}
	return t, t.check()
}

// feedEvents hands changes over, as part of t.
func (g *generation) feedEvents(t *transaction, events []abi.Event) error {
	if err := g.handle(t, events, false, g.batchTimeout(), g.batchTimeout()); err != nil {
		return err
	}
	return t.check()
}

// handle makes one call of the module. An error that is a *void leaves the
// process alive; after every other it is gone.
func (g *generation) handle(t *transaction, events []abi.Event, reset bool, timeout, of time.Duration) error {
	g.sequence++
	batch := abi.EventBatch{Sequence: g.sequence, Reset: reset, Events: events}
	g.buf = abi.AppendEventBatch(g.buf[:0], &batch)
	size := len(g.buf)
	start, requests, refused := time.Now(), t.requests, t.refused
	entry := g.ring.Begin(batch, size)
	code, err := g.process.Handle(g.buf, max(timeout, time.Millisecond), func(raw []byte, size int) (abi.EmitError, error) {
		answer, err := t.emit(raw, size)
		if err == nil {
			entry.Emitted(raw, size, answer)
		}
		return answer, err
	})
	entry.End(code, err)
	if cap(g.buf) > keptBuffer {
		g.buf = nil
	}
	g.tally.batch(time.Since(start), t.requests-requests, t.refused-refused, t.refusal)
	var failure *sandbox.Failure
	switch {
	case errors.As(err, &failure) && failure.Kind == sandbox.FaultDeadline && reset:
		return fmt.Errorf("did not finish handling the snapshot (%d events, %d bytes) within %v and was killed", len(events), size, of)
	case err != nil:
		return err
	case code == abi.CannotDo && t.refusal != nil:
		return &void{fmt.Sprintf("gave a batch up (sluice_handle returned 1), so nothing of it was applied; what it emitted had been refused: %v", t.refusal)}
	case code == abi.CannotDo:
		return &void{"gave a batch up (sluice_handle returned 1), so nothing of it was applied"}
	case code == abi.Commit && t.refusal != nil:
		// What is left of it is not what the module meant, and after a reset it
		// would delete what was refused.
		return &void{fmt.Sprintf("emitted what was refused, and went on as if it had not been, so nothing of the batch was applied: %v", t.refusal)}
	case code != abi.Commit:
		g.process.Kill()
		after := ""
		if t.refusal != nil {
			after = fmt.Sprintf(", after what it emitted had been refused: %v", t.refusal)
		}
		return fmt.Errorf("ended with an error: sluice_handle returned %d (0 is success, 1 is a batch that it cannot handle)%s", code, after)
	}
	return nil
}

// keptBuffer is how large a buffer is kept between batches.
const keptBuffer = 1 << 20

// end kills the process, waits until it is gone, and closes the feed.
func (g *generation) end() {
	g.process.Kill()
	g.cancel()
	if g.feed != nil {
		g.feed.close()
	}
}
