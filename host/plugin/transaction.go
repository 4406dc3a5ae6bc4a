package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Bounds of one transaction. They are what the largest policies that the default
// limits allow can need, several times over; a module that goes beyond is ended.
const (
	MaxRequests  = 1_000_000
	MaxEmitBytes = 64 << 20
	// maxRewinds bounds how often a transaction is staged again because a call
	// of emit failed in its middle.
	maxRewinds = 32
)

// transaction collects what a generation emits, over one or several batches.
//
// One call of emit is staged whole or not at all: if one of its requests is
// refused, those before it are taken back. What is staged is kept in encoded
// form, so that it can be staged once more when the layer has moved on.
type transaction struct {
	layer *policy.Layer
	reset bool
	may   *effective

	txn      *policy.Txn
	accepted [][]byte
	calls    int // of emit
	requests int
	bytes    int
	rewinds  int
	refused  int
	refusal  error // the latest
	used     bool  // txn was handed to the Committer, which may do so once
}

func begin(layer *policy.Layer, reset bool, may *effective) *transaction {
	return &transaction{layer: layer, reset: reset, may: may, txn: layer.Begin(reset)}
}

// emit answers one call of sluice.emit. An error ends the generation.
func (t *transaction) emit(raw []byte, size int) (abi.EmitError, error) {
	if raw == nil && size > 0 {
		return t.refuse(abi.TooLarge, fmt.Errorf("one call of emit was given %d bytes; the limit is %d: emit in pieces", size, sandbox.MaxEmitSize)), nil
	}
	if t.bytes += len(raw); t.bytes > MaxEmitBytes {
		return 0, runaway("emitted more than %d MiB in one transaction", MaxEmitBytes>>20)
	}
	var requests []abi.Request
	if t.calls++; t.calls > MaxRequests {
		return 0, runaway("called emit more than %d times in one transaction", MaxRequests)
	}
	err := abi.DecodeRequests(raw, func(r abi.Request) error {
		if t.requests++; t.requests > MaxRequests {
			return runaway("emitted more than %d requests in one transaction", MaxRequests)
		}
		requests = append(requests, r)
		return nil
	})
	var over *sandbox.Failure
	if errors.As(err, &over) {
		return 0, err
	}
	if err != nil {
		return t.refuse(abi.Malformed, err), nil
	}
	for i, r := range requests {
		staged, err := t.stage(r)
		if err == nil {
			continue
		}
		if staged || i > 0 {
			if err := t.rewind(); err != nil {
				return 0, err
			}
		}
		code := abi.Malformed
		var why *policy.StageError
		if errors.As(err, &why) {
			code = why.Code
		}
		return t.refuse(code, err), nil
	}
	if len(requests) > 0 {
		t.accepted = append(t.accepted, bytes.Clone(raw))
	}
	return abi.OK, nil
}

func (t *transaction) refuse(code abi.EmitError, why error) abi.EmitError {
	t.refused++
	t.refusal = why
	return code
}

// stage checks what this generation may do before the layer, which knows only
// what the operator grants to the module. A request that goes over a limit has
// been staged all the same.
func (t *transaction) stage(r abi.Request) (staged bool, err error) {
	before := t.txn.Size()
	switch r := r.(type) {
	case *abi.PutRule:
		if err := t.granted("rule", r.Name, r.Spec.Tier); err != nil {
			return false, err
		}
		if !slices.Contains(t.may.grant.Actions, r.Spec.Action) {
			return false, notGranted("rule", r.Name, fmt.Sprintf("its action (%d)", r.Spec.Action))
		}
	case *abi.PutIsolation:
		if err := t.granted("isolation", r.Name, r.Spec.Tier); err != nil {
			return false, err
		}
	}
	if err := t.txn.Stage(r); err != nil {
		return false, err
	}
	return true, t.withinLimits(r, before)
}

func (t *transaction) granted(kind, name string, tier abi.Tier) error {
	if !slices.Contains(t.may.grant.Tiers, tier) {
		return notGranted(kind, name, fmt.Sprintf("its tier (%d)", tier))
	}
	return nil
}

func notGranted(kind, name, what string) error {
	return &policy.StageError{
		Code:   abi.NotGranted,
		Object: fmt.Sprintf("%s %q", kind, name),
		Reason: what + " is not both asked for in the module's manifest and granted by the operator",
	}
}

// withinLimits holds the generation to limits that its manifest asks for and
// that are smaller than the layer's.
func (t *transaction) withinLimits(r abi.Request, before policy.Limits) error {
	after := t.txn.Size()
	for _, l := range []struct {
		what                 string
		before, after, limit int
	}{
		{"rules and isolations", before.Rules, after.Rules, t.may.limits.Rules},
		{"sets", before.Sets, after.Sets, t.may.limits.Sets},
		{"addresses", before.Addresses, after.Addresses, t.may.limits.Addresses},
	} {
		if l.after > l.limit && l.after > l.before {
			return &policy.StageError{
				Code:   abi.Quota,
				Object: fmt.Sprintf("%T", r),
				Reason: fmt.Sprintf("the module would hold %d %s; its manifest asks for at most %d", l.after, l.what, l.limit),
			}
		}
	}
	return nil
}

// rewind stages again what was accepted before.
func (t *transaction) rewind() error {
	if t.rewinds++; t.rewinds > maxRewinds {
		return runaway("emitted more than %d calls that were refused in their middle, in one transaction", maxRewinds)
	}
	return t.restage()
}

// restage brings the transaction onto what is in force now. After a reset it says
// the same whatever that is.
func (t *transaction) restage() error {
	t.txn, t.used = t.layer.Begin(t.reset), false
	for _, raw := range t.accepted {
		if err := abi.DecodeRequests(raw, t.txn.Stage); err != nil {
			return fmt.Errorf("staging its requests again: %w", err)
		}
	}
	return nil
}

// check says whether the whole can be committed.
func (t *transaction) check() error {
	if err := t.txn.Check(); err != nil {
		return fmt.Errorf("emitted a transaction that cannot be committed: %w", err)
	}
	return nil
}

func runaway(format string, args ...any) error {
	return &sandbox.Failure{Kind: sandbox.FaultProtocol, Text: fmt.Sprintf(format, args...)}
}
