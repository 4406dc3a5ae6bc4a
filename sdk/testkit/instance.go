package testkit

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

// loadTimeout is for compiling: a module in Go takes a second on an idle machine.
const loadTimeout = time.Minute

// instance is one process with the module, and what it has in force.
type instance struct {
	kit      *kit
	process  *sandbox.Process
	layer    *policy.Layer
	sequence uint64
	refuse   abi.EmitError // what the next call of emit answers, if not 0
	lastLog  string
	broken   bool // a call has failed: the process is of no more use
}

// outcome is what one batch came to.
type outcome struct {
	code    int32
	emitted []byte
	refused error        // the last refusal
	delta   policy.Delta // to what was in force before
}

func (k *kit) start(ctx context.Context) (*instance, error) {
	grant, err := policy.GrantOf(k.manifest.Tiers, k.manifest.Actions)
	if err != nil {
		return nil, err
	}
	in := &instance{kit: k, layer: policy.NewLayer(k.manifest.Name, 0, grant, policy.LimitsOf(k.limits))}
	in.process, err = k.launcher.Start(ctx, sandbox.Options{
		Path:   k.Sandbox,
		Limits: sandbox.Limits{MemoryMiB: k.limits.MemoryMiB},
		Log:    func(_ abi.LogLevel, text []byte) { in.lastLog = string(text) },
	})
	if err != nil {
		return nil, err
	}
	if err := in.process.Load(k.Wasm, loadTimeout); err != nil {
		in.end()
		return nil, fmt.Errorf("the module %w", err)
	}
	return in, nil
}

func (in *instance) end() { in.process.Kill() }

// borrow gives an instance that has perhaps been used: every check begins with a
// reset, after which a module has forgotten everything. To compile one anew takes
// long.
func (k *kit) borrow(ctx context.Context) (*instance, error) {
	in := k.idle
	if k.idle = nil; in == nil {
		return k.start(ctx)
	}
	grant, err := policy.GrantOf(k.manifest.Tiers, k.manifest.Actions)
	if err != nil {
		return nil, err
	}
	in.layer = policy.NewLayer(k.manifest.Name, 0, grant, policy.LimitsOf(k.limits))
	return in, nil
}

func (in *instance) giveBack() {
	if in.broken || in.kit.idle != nil {
		in.end()
		return
	}
	in.refuse, in.lastLog = abi.OK, ""
	in.kit.idle = in
}

// handle hands over a batch and, if it is committed and the layer is to follow,
// puts in force what came of it.
func (in *instance) handle(reset, commit bool, events ...abi.Event) (outcome, error) {
	in.sequence++
	batch := abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: in.sequence, Reset: reset, Events: events})
	return in.handleBytes(batch, reset, commit)
}

func (in *instance) handleBytes(batch []byte, reset, commit bool) (outcome, error) {
	limit := in.kit.limits.BatchMillis
	if reset {
		limit = in.kit.limits.SnapshotMillis
	}
	var o outcome
	txn := in.layer.Begin(reset)
	var err error
	o.code, err = in.process.Handle(batch, time.Duration(limit)*time.Millisecond, func(raw []byte, size int) (abi.EmitError, error) {
		code, why := in.stage(txn, raw, size)
		if why != nil {
			o.refused = why
		}
		o.emitted = append(o.emitted, raw...)
		return code, nil
	})
	if err != nil {
		in.broken = true
		return o, fmt.Errorf("the module %w", err)
	}
	if o.code != abi.Commit || o.refused != nil {
		return o, nil
	}
	if err := txn.Check(); err != nil {
		return o, fmt.Errorf("the batch cannot be committed: %w", err)
	}
	o.delta = txn.Delta()
	if commit {
		in.layer.Commit(txn)
	}
	return o, nil
}

func (in *instance) stage(txn *policy.Txn, raw []byte, size int) (abi.EmitError, error) {
	if code := in.refuse; code != abi.OK {
		in.refuse = abi.OK
		return code, fmt.Errorf("the kit answered %d", code)
	}
	if raw == nil && size > 0 {
		return abi.TooLarge, fmt.Errorf("one call of emit has %d bytes, at most %d are allowed", size, sandbox.MaxEmitSize)
	}
	code := abi.OK
	err := abi.DecodeRequests(raw, func(r abi.Request) error {
		err := txn.Stage(r)
		if why, is := err.(*policy.StageError); is {
			code = why.Code
		}
		return err
	})
	if err != nil && code == abi.OK {
		code = abi.Malformed
	}
	return code, err
}

// must hands over a batch that the module has to commit.
func (in *instance) must(what string, reset, commit bool, events ...abi.Event) (outcome, error) {
	o, err := in.handle(reset, commit, events...)
	return o, in.committed(what, o, err)
}

func (in *instance) committed(what string, o outcome, err error) error {
	said := ""
	if in.lastLog != "" {
		said = fmt.Sprintf(" (its last words: %s)", in.lastLog)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w%s", what, err, said)
	case o.refused != nil:
		return fmt.Errorf("%s: the host refuses: %w%s", what, o.refused, said)
	case o.code != abi.Commit:
		return fmt.Errorf("%s: sluice_handle returns %d, want 0%s", what, o.code, said)
	}
	return nil
}

// named is the beginning of what a delta changes, for people.
func named(d policy.Delta) string {
	switch {
	case len(d.PutSets) > 0:
		return fmt.Sprintf("set %q differs", d.PutSets[0].Name)
	case len(d.PutRules) > 0:
		return fmt.Sprintf("rule %q differs", d.PutRules[0].Name)
	case len(d.PutIsolations) > 0:
		return fmt.Sprintf("isolation %q differs", d.PutIsolations[0].Name)
	case len(d.DeleteSets) > 0:
		return fmt.Sprintf("set %q is missing", d.DeleteSets[0].Name)
	case len(d.DeleteRules) > 0:
		return fmt.Sprintf("rule %q is missing", d.DeleteRules[0].Name)
	case len(d.DeleteIsolations) > 0:
		return fmt.Sprintf("isolation %q is missing", d.DeleteIsolations[0].Name)
	}
	return "nothing differs"
}
