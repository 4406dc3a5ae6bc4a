package policy

import "github.com/sluice-net/sluice/abi"

// StageError says why a request was not staged, or why a transaction cannot be
// committed.
type StageError struct {
	Code   abi.EmitError // what sluice.emit answers
	Object string        // what was asked for: `rule "web/ingress[0]"`
	Reason string        // the field, the limit, and what to do
}

// Error is the whole sentence.
func (e *StageError) Error() string { return e.Object + ": " + e.Reason }
