package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Options of Replay. All are needed.
type Options struct {
	Launcher    *sandbox.Launcher
	SandboxPath string // of the program sluice-sandbox
	Wasm        []byte
	// Exact compares each call with what was recorded, and answers it as it was
	// answered then: for the module that was recorded. Otherwise requests are
	// staged under the recorded grant and limits, and answered as an agent would.
	Exact bool
	// LoadTimeout bounds compiling and starting the module. Default 1 min.
	LoadTimeout time.Duration
}

// Replayed is what came of a replay.
type Replayed struct {
	Batches int `json:"batches"` // that were handed over
	Calls   int `json:"calls"`   // of emit that were compared, or staged
	// Difference is the first one, in words; empty: there is none.
	Difference string `json:"difference,omitempty"`
	// Layer is what the module holds in the end; nil with Exact.
	Layer *policy.Layer `json:"-"`
}

// Replay hands a module what another run of it, or of another, was handed. An
// error means that it could not be tried; a module that fails where it did not
// fail then is a difference.
func Replay(ctx context.Context, r *Recording, o Options) (Replayed, error) {
	var out Replayed
	grant, err := policy.GrantOf(r.Tiers, r.Actions)
	if err != nil {
		return out, fmt.Errorf("the recording's grant: %w", err)
	}
	if o.LoadTimeout == 0 {
		o.LoadTimeout = time.Minute
	}
	process, err := o.Launcher.Start(ctx, sandbox.Options{Path: o.SandboxPath, Limits: sandbox.Limits{MemoryMiB: r.Limits.MemoryMiB}})
	if err != nil {
		return out, err
	}
	defer process.Kill()
	if err := process.Load(o.Wasm, o.LoadTimeout); err != nil {
		return out, fmt.Errorf("the module %w", err)
	}
	p := player{process: process, limits: r.Limits, out: &out}
	if !o.Exact {
		p.layer = policy.NewLayer(r.Module, 0, grant, policy.LimitsOf(r.Limits))
		out.Layer = p.layer
	}
	for i, b := range r.Batches {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		out.Batches++
		unknown := i == 0 && r.Folded
		var different string
		if o.Exact {
			different = p.compare(b, unknown)
		} else {
			different = p.stage(b)
		}
		if different != "" {
			out.Difference = fmt.Sprintf("batch %d of %d: %s", i+1, len(r.Batches), different)
			return out, nil
		}
	}
	return out, nil
}

type player struct {
	process *sandbox.Process
	limits  abi.Limits
	layer   *policy.Layer
	out     *Replayed
}

// patience is how long a batch may take: replaying is not measuring, so it is
// much more than in force.
func (p *player) patience() time.Duration {
	return 10 * time.Duration(max(p.limits.SnapshotMillis, p.limits.BatchMillis, 1000)) * time.Millisecond
}

// compare replays one batch of the same module and says what is different.
func (p *player) compare(b Batch, unknown bool) (different string) {
	n := 0
	patience := p.patience()
	if b.Error != "" { // it may have been a loop
		patience /= 10
	}
	code, err := p.process.Handle(b.Request, patience, func(raw []byte, size int) (abi.EmitError, error) {
		n++
		switch {
		case unknown:
			return abi.OK, nil
		case n > len(b.Calls):
			different = fmt.Sprintf("call %d of emit was not made then: %s", n, describe(raw, size))
			return 0, errStop
		}
		p.out.Calls++
		then := b.Calls[n-1]
		if size != then.Size || !bytes.Equal(raw, then.Requests) {
			different = fmt.Sprintf("call %d of emit was then %s, and is now %s", n, describe(then.Requests, then.Size), describe(raw, size))
			return 0, errStop
		}
		return abi.EmitError(then.Answer), nil
	})
	switch {
	case different != "":
		return different
	case err != nil && b.Error == "":
		return "it returned then, and now it " + err.Error()
	case err != nil:
		return "" // it ended then too
	case b.Error != "":
		return fmt.Sprintf("it returns %d now, and then it %s", code, b.Error)
	case !unknown && n < len(b.Calls):
		return fmt.Sprintf("emit was called %d times then and %d times now", len(b.Calls), n)
	case !unknown && code != b.Code:
		return fmt.Sprintf("it returned %d then and %d now", b.Code, code)
	}
	return ""
}

var errStop = errors.New("the replay is over")

// stage replays one batch for another module: what it emits is put into the layer
// if an agent would have put it there.
func (p *player) stage(b Batch) string {
	batch, err := abi.DecodeEventBatch(b.Request)
	if err != nil {
		return "the recorded batch cannot be read: " + err.Error()
	}
	txn := p.layer.Begin(batch.Reset)
	var refusal error
	code, err := p.process.Handle(b.Request, p.patience(), func(raw []byte, size int) (abi.EmitError, error) {
		p.out.Calls++
		if raw == nil && size > 0 {
			refusal = fmt.Errorf("%d bytes in one call of emit; the limit is %d", size, sandbox.MaxEmitSize)
			return abi.TooLarge, nil
		}
		if err := abi.DecodeRequests(raw, txn.Stage); err != nil {
			refusal = err
			if why, is := errors.AsType[*policy.StageError](err); is {
				return why.Code, nil
			}
			return abi.Malformed, nil
		}
		return abi.OK, nil
	})
	if err == nil && refusal == nil && code == abi.Commit {
		refusal = txn.Check()
	}
	switch {
	case err != nil:
		return "it " + err.Error()
	case refusal != nil:
		return "what it emitted was refused: " + refusal.Error()
	case code == abi.Commit:
		p.layer.Commit(txn)
	}
	return ""
}

// describe says in a few words what was emitted.
func describe(raw []byte, size int) string {
	if raw == nil && size > 0 {
		return fmt.Sprintf("%d bytes, too many", size)
	}
	n, first := 0, ""
	err := abi.DecodeRequests(raw, func(r abi.Request) error {
		if n++; n == 1 {
			first = fmt.Sprintf("%T %+v", r, r)
		}
		return nil
	})
	if err != nil {
		return fmt.Sprintf("%d bytes that cannot be read (%v)", size, err)
	}
	return fmt.Sprintf("%d requests in %d bytes, the first %.200s", n, size, first)
}
