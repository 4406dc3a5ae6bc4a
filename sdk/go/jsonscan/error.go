package jsonscan

import "strconv"

// Error says where and why the text could not be read.
type Error struct {
	Offset int    // in bytes from the start of the text
	Path   string // of the value, like "spec.ingress[2].from"; "" is the outermost value
	Reason string
}

func (e *Error) Error() string {
	path := e.Path
	if path == "" {
		path = "json"
	}
	return path + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// Fail makes an *Error about the value that was read last or is read next, for
// readers who find that a value is well-formed but wrong. Returned from the
// callbacks, it gets its path like any other.
func (d *Decoder) Fail(reason string) error {
	return &Error{Offset: d.pos, Reason: reason}
}

func (d *Decoder) fail(offset int, reason string) error {
	return &Error{Offset: offset, Reason: reason}
}

// under puts one step in front of the path of err. Errors that are not ours
// pass unchanged.
func under(step string, err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	switch {
	case e.Path == "":
		e.Path = step
	case e.Path[0] == '[':
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	return e
}
