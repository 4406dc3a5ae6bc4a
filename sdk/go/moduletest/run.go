package moduletest

import (
	"fmt"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// run is one instance and what it has in force.
type run struct {
	instance *sluice.Instance
	state    State

	// Of the batch in hand.
	base     State // before it; empty for a reset
	staged   State
	refuse   func(abi.Request) abi.EmitError
	requests []abi.Request
	logs     []string
}

func start(m sluice.Module) *run {
	r := &run{state: newState()}
	r.instance = sluice.NewInstance(m, r)
	return r
}

// handle gives the instance a batch and commits what it emitted. The error says
// what a host would find wrong with the whole.
func (r *run) handle(batch *abi.EventBatch, refuse func(abi.Request) abi.EmitError) (Result, error) {
	r.base, r.refuse, r.requests, r.logs = r.state, refuse, nil, nil
	if batch.Reset {
		r.base = newState()
	}
	r.staged = r.base.clone()
	encoded := abi.AppendEventBatch(nil, batch)
	code := r.instance.Handle(encoded)
	// In Wasm the buffer is used again: a module that kept a part of it shows.
	for i := range encoded {
		encoded[i] = '?'
	}
	result := Result{Code: code, Requests: r.requests, Logs: r.logs}
	if code != abi.Commit {
		return result, nil
	}
	if err := r.staged.check(); err != nil {
		return result, err
	}
	r.state = r.staged
	return result, nil
}

// Emit stages all the requests of one call, or none if one is refused.
func (r *run) Emit(b []byte) abi.EmitError {
	if len(b) > abi.MaxEmit {
		return abi.TooLarge
	}
	code := abi.OK
	before := len(r.requests)
	err := abi.DecodeRequests(b, func(q abi.Request) error {
		if r.refuse != nil {
			if code = r.refuse(q); code != abi.OK {
				return fmt.Errorf("%T %s: %s", q, nameOf(q), code)
			}
		}
		var err error
		if code, err = r.staged.apply(q); err != nil {
			return err
		}
		r.requests = append(r.requests, q)
		return nil
	})
	if err == nil {
		return abi.OK
	}
	r.logs = append(r.logs, "host: "+err.Error())
	r.requests = r.requests[:before]
	r.staged = r.base.clone()
	for _, q := range r.requests {
		if _, err := r.staged.apply(q); err != nil {
			r.logs = append(r.logs, "host: staging again: "+err.Error())
		}
	}
	if code == abi.OK {
		code = abi.Malformed
	}
	return code
}

// Log keeps the line for Result.
func (r *run) Log(_ abi.LogLevel, text string) { r.logs = append(r.logs, text) }
