package sluice

import "github.com/sluice-net/sluice/abi"

// Output is where an Instance sends what its module says: the imports of the
// ABI in Wasm, a recorder in moduletest.
type Output interface {
	// Emit stages an encoded RequestBatch, which it may not keep.
	Emit(requests []byte) abi.EmitError
	// Log writes a line for the operator.
	Log(level abi.LogLevel, text string)
}

// Instance runs one Module. In Wasm the package makes it; elsewhere it is for
// whoever wants to run a module natively. Not safe for concurrent use.
type Instance struct {
	module   Module
	declared declarations
	tx       Tx

	// Where the runtime does not collect garbage well by itself; else nil.
	breathe func() // between events
	collect func() // when much has become garbage
}

// NewInstance makes an Instance of module that answers to out.
func NewInstance(module Module, out Output) *Instance {
	in := &Instance{module: module}
	in.declared.forget()
	in.tx = Tx{declared: &in.declared, out: out}
	return in
}

// unreadable is what sluice_handle returns for a batch that does not decode: the
// host and this module do not speak the same ABI, and going on would guess.
const unreadable int32 = 2

// eventsPerBreath: a snapshot is many thousands of events, and in Wasm garbage
// is only collected when the module lets go of the processor.
const eventsPerBreath = 256

// Handle takes one encoded EventBatch and returns what sluice_handle returns:
// abi.Commit, abi.CannotDo, or a value that is fatal. It does not keep batch.
//
// Every event is handed to the module even after one has failed: the operator is
// told of all that is wrong, and the module's picture of the cluster is complete
// even if the host should not begin anew.
func (in *Instance) Handle(batch []byte) int32 {
	tx := &in.tx
	sequence, reset, err := abi.DecodeBatchHead(batch)
	if err != nil {
		tx.Log(abi.LogError, "batch: "+err.Error())
		return unreadable
	}
	tx.begin(sequence, reset)
	if reset {
		in.declared.forget()
		in.module.Reset()
		if in.collect != nil {
			in.collect()
		}
	}
	n := 0
	err = abi.DecodeEvents(batch, func(e abi.Event) error {
		tx.note(in.event(e))
		if n++; n%eventsPerBreath == 0 && in.breathe != nil {
			in.breathe()
		}
		return nil
	})
	if err != nil {
		tx.Log(abi.LogError, "batch: "+err.Error())
		return unreadable
	}
	if f, ok := in.module.(Finisher); ok {
		tx.note(f.Finish(tx))
	}
	if !tx.end() {
		return abi.CannotDo
	}
	return abi.Commit
}

func (in *Instance) event(e abi.Event) error {
	switch e := e.(type) {
	case *abi.Configure:
		return under("configuration", in.module.Configure(&in.tx, e.JSON))
	case *abi.ObjectPut:
		o := Object{Resource: e.Resource, Namespace: e.Namespace, Name: e.Name, UID: e.UID, Generation: e.Generation, JSON: e.JSON}
		return under(o.ID(), in.module.Put(&in.tx, o))
	case *abi.ObjectDelete:
		o := Object{Resource: e.Resource, Namespace: e.Namespace, Name: e.Name, UID: e.UID}
		return under(o.ID(), in.module.Delete(&in.tx, o))
	case *abi.Tick:
		if t, ok := in.module.(Ticker); ok {
			return under("tick", t.Tick(&in.tx, e.UnixNanos))
		}
	}
	return nil
}

// under says what was being handled when err happened.
func under(what string, err error) error {
	if err == nil {
		return nil
	}
	return &eventError{what: what, err: err}
}

type eventError struct {
	what string
	err  error
}

func (e *eventError) Error() string { return e.what + ": " + e.err.Error() }
func (e *eventError) Unwrap() error { return e.err }
