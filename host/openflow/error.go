package openflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// ErrOutcomeUnknown says that the connection failed, or the context ended, after a bundle's commit was sent and before its outcome was known.
// The bundle was applied whole or not at all; dump the flows to learn which.
var ErrOutcomeUnknown = errors.New("outcome unknown: the bundle took effect whole or not at all; dump and compare")

// ErrClosed is the reason of a connection that Close ended.
var ErrClosed = errors.New("connection closed by its user")

// Error is an OpenFlow error message.
type Error struct {
	Type, Code uint16
	// Experimenter is the vendor of an error with Type 0xffff, whose Code is the vendor's; 0 for standard errors.
	Experimenter uint32
	Xid          uint32 // of the message that was refused
	Data         []byte // beginning of that message, at least 64 bytes of it if it was that long
}

// Types and codes that callers may want to tell apart by errors.Is, see ErrorCode.
const (
	TypeBadRequest     = 1
	TypeBadAction      = 2
	TypeBadMatch       = 4
	TypeFlowModFailed  = 5
	TypeGroupModFailed = 6
	TypeMeterModFailed = 12
	TypeBundleFailed   = 17
	typeExperimenter   = 0xffff

	codeGroupExists   = 0
	codeUnknownGroup  = 8
	codeMeterExists   = 1
	codeUnknownMeter  = 3
	codeBundleBadID   = 2
	codeBundleTimeout = 14
)

// Errors to compare with errors.Is.
var (
	ErrGroupExists   error = &Error{Type: TypeGroupModFailed, Code: codeGroupExists}
	ErrUnknownGroup  error = &Error{Type: TypeGroupModFailed, Code: codeUnknownGroup}
	ErrMeterExists   error = &Error{Type: TypeMeterModFailed, Code: codeMeterExists}
	ErrUnknownMeter  error = &Error{Type: TypeMeterModFailed, Code: codeUnknownMeter}
	errBundleTimeout error = &Error{Type: TypeBundleFailed, Code: codeBundleTimeout}
)

// Is makes errors.Is compare type and code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && e.Type == other.Type && e.Code == other.Code && e.Experimenter == other.Experimenter
}

// Name is the error's name in Open vSwitch, for example "OFPBMC_BAD_PREREQ"; empty if this package has none.
func (e *Error) Name() string {
	switch {
	case e.Type != typeExperimenter:
		return standardError(e.Type, e.Code)
	case e.Experimenter == niciraID:
		return niciraError(e.Code)
	}
	return ""
}

func (e *Error) Error() string {
	name := e.Name()
	if name == "" {
		name = "OpenFlow error"
	}
	if e.Type == typeExperimenter {
		name = fmt.Sprintf("%s (vendor %#x, code %d)", name, e.Experimenter, e.Code)
	} else {
		name = fmt.Sprintf("%s (type %d, code %d)", name, e.Type, e.Code)
	}
	if hint := e.hint(); hint != "" {
		return name + ": " + hint
	}
	return name
}

// hint says in words what the errors that programs meet most often mean.
func (e *Error) hint() string {
	switch e.Name() {
	case "OFPBMC_BAD_PREREQ":
		return "a field of the match needs another one that is not there, such as eth_type before ip_src"
	case "OFPBMC_BAD_MASK":
		return "a field of the match cannot have a mask like this"
	case "OFPBMC_BAD_VALUE":
		return "a field of the match cannot have this value"
	case "OFPBAC_MATCH_INCONSISTENT":
		return "an action needs a field that the match does not promise, such as eth_type before ct"
	case "OFPBAC_BAD_OUT_GROUP":
		return "an action names a group that does not exist"
	case "OFPMMFC_INVALID_METER":
		return "there is no meter with this id"
	case "OFPBIC_BAD_TABLE_ID":
		return "goto_table goes to higher tables only"
	case "NXBAC_BAD_CONJUNCTION":
		return "a flow with a conjunction action has no actions other than conjunction and note"
	case "OFPBFC_TIMEOUT":
		return "Open vSwitch forgets a bundle that is not added to for 10 seconds"
	}
	return ""
}

// decodeError reads the body of an error message.
func decodeError(xid uint32, body []byte) (*Error, error) {
	if len(body) < 4 {
		return nil, fmt.Errorf("error message: %d bytes, needs 4", len(body))
	}
	e := &Error{Type: binary.BigEndian.Uint16(body), Code: binary.BigEndian.Uint16(body[2:]), Xid: xid}
	data := body[4:]
	if e.Type == typeExperimenter {
		if len(data) < 4 {
			return nil, fmt.Errorf("experimenter error message: %d bytes, needs 8", len(body))
		}
		e.Experimenter = binary.BigEndian.Uint32(data)
		data = data[4:]
	}
	e.Data = append([]byte(nil), data...)
	return e, nil
}

// BundleError says that a bundle was refused. Nothing of it took effect.
type BundleError struct {
	// Failures are the modifications that Open vSwitch refused, in order; only the first ones if there are very many.
	Failures []ModFailure
	// Count is the number of all failures. Zero means that the bundle as a whole was refused, for the reason in Cause.
	Count int
	Cause error
}

// ModFailure is one refused modification.
type ModFailure struct {
	Index int // in the list that was given to Apply
	Mod   Mod
	Error *Error
}

// maxFailures bounds what BundleError keeps of a bundle in which everything is wrong.
const maxFailures = 100

// maxFailuresShown is how many failures the text of a BundleError names.
const maxFailuresShown = 3

func (e *BundleError) Error() string {
	if e.Count == 0 {
		return fmt.Sprintf("bundle refused, nothing applied: %v", e.Cause)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "bundle refused, nothing applied: %d modifications failed", e.Count)
	for i, f := range e.Failures {
		if i == maxFailuresShown {
			b.WriteString("; ...")
			break
		}
		fmt.Fprintf(&b, "; number %d, %s: %v", f.Index, f.Mod, f.Error)
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As the errors of the single modifications.
func (e *BundleError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failures)+1)
	for _, f := range e.Failures {
		errs = append(errs, f.Error)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}
