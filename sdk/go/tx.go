package sluice

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
)

// chunk is how many bytes go to the host in one call of emit, at most, unless a
// single request is larger: far below abi.MaxEmit, and small enough to stay
// in memory for good.
const chunk = 256 << 10

// Tx collects what one batch asks for. It is valid until the method that it was
// handed to returns.
//
// There are two ways to use it, and a module may use both for different names:
// Declare, which remembers what is in force and works out the difference, and
// the calls that say Put and Delete, which emit what they are told. What is
// declared goes to the host when the batch ends, after the rest: so a rule that
// is put directly can only name sets that were put directly.
//
// Requests are emitted in pieces of at most 256 KiB, so a call may return the
// refusal of an earlier one. After a refusal, or an error of the module, the
// batch is lost: further calls change nothing at the host and return the same
// error.
type Tx struct {
	out      Output
	declared *declarations
	sequence uint64
	reset    bool
	buf      []byte // whole requests, not emitted yet
	scratch  []byte
	failed   error
}

// RefusedError is an answer of sluice.emit other than abi.OK. The host tells the
// operator which request it was about, and why.
type RefusedError struct {
	Code abi.EmitError
}

func (e *RefusedError) Error() string {
	return "the host refuses: " + e.Code.String() + " (" + strconv.Itoa(int(e.Code)) + ")"
}

// Sequence is the number of the batch.
func (tx *Tx) Sequence() uint64 { return tx.sequence }

// Reset says whether the batch is the whole state.
func (tx *Tx) Reset() bool { return tx.reset }

// Log writes a line for the operator. The host limits how many it shows.
func (tx *Tx) Log(level abi.LogLevel, text string) { tx.out.Log(level, text) }

// PutSet creates the set name or replaces it whole. Sets of addresses may be
// of any size: large ones are sent in parts.
func (tx *Tx) PutSet(name string, spec abi.SetSpec) error {
	return tx.Emit(&abi.PutSet{Name: name, Spec: spec})
}

// PatchSet changes a set of addresses in place.
func (tx *Tx) PatchSet(name string, add []abi.Block, remove []string) error {
	return tx.Emit(&abi.PatchSet{Name: name, Add: add, Remove: remove})
}

// DeleteSet removes a set; when the batch ends nothing may name it any more.
func (tx *Tx) DeleteSet(name string) error { return tx.Emit(&abi.DeleteSet{Name: name}) }

// PutRule creates the rule name or replaces it whole.
func (tx *Tx) PutRule(name string, rule abi.RuleSpec) error {
	return tx.Emit(&abi.PutRule{Name: name, Spec: rule})
}

// DeleteRule removes a rule.
func (tx *Tx) DeleteRule(name string) error { return tx.Emit(&abi.DeleteRule{Name: name}) }

// PutIsolation creates the isolation name or replaces it whole.
func (tx *Tx) PutIsolation(name string, isolation abi.IsolationSpec) error {
	return tx.Emit(&abi.PutIsolation{Name: name, Spec: isolation})
}

// DeleteIsolation removes an isolation.
func (tx *Tx) DeleteIsolation(name string) error { return tx.Emit(&abi.DeleteIsolation{Name: name}) }

// Report tells the author of an object what became of it.
func (tx *Tx) Report(object abi.Origin, condition abi.Condition) error {
	return tx.Emit(&abi.Report{Object: object, Condition: condition})
}

// Emit asks for one request of any kind.
func (tx *Tx) Emit(r abi.Request) error {
	if tx.failed != nil {
		return tx.failed
	}
	tx.scratch = appendRequest(tx.scratch[:0], r)
	return tx.emitEncoded(tx.scratch)
}

// emitEncoded takes any number of whole requests, and hands what is collected to
// the host whenever the next one would make it larger than chunk.
func (tx *Tx) emitEncoded(b []byte) error {
	for len(b) > 0 && tx.failed == nil {
		n := firstRequest(b)
		if len(tx.buf) > 0 && len(tx.buf)+n > chunk {
			tx.flush()
		}
		tx.buf = append(tx.buf, b[:n]...)
		b = b[n:]
	}
	return tx.failed
}

func (tx *Tx) flush() {
	if tx.failed == nil && len(tx.buf) > 0 {
		if code := tx.out.Emit(tx.buf); code != abi.OK {
			tx.note(&RefusedError{Code: code})
		}
	}
	if tx.buf = tx.buf[:0]; cap(tx.buf) > 2*chunk {
		tx.buf = nil // one huge request should not cost memory for ever
	}
}

func (tx *Tx) begin(sequence uint64, reset bool) {
	tx.sequence, tx.reset, tx.failed = sequence, reset, nil
	tx.buf = tx.buf[:0]
}

// note remembers the first error and logs each.
func (tx *Tx) note(err error) {
	if err == nil || err == tx.failed {
		return
	}
	if e, ok := err.(*eventError); ok && e.err == tx.failed {
		return // a method passed on what it was told
	}
	tx.Log(abi.LogError, err.Error())
	if tx.failed == nil {
		tx.failed = err
	}
}

// end emits the difference that declarations make and what is left over, and
// says whether the batch can be committed.
func (tx *Tx) end() bool {
	if tx.failed == nil {
		tx.declared.difference(tx.emitEncoded)
		tx.flush()
	}
	if tx.failed != nil {
		return false
	}
	tx.declared.committed()
	return true
}
