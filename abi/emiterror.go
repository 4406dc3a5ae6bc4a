package abi

import "strconv"

// String says in words what sluice.emit answered.
func (e EmitError) String() string {
	switch e {
	case OK:
		return "staged"
	case Malformed:
		return "malformed request"
	case TooLarge:
		return "too large for one call of emit"
	case NotGranted:
		return "not granted to this module"
	case Quota:
		return "over a limit of this module"
	case UnknownSet:
		return "names a set that does not exist"
	}
	return "unknown answer " + strconv.Itoa(int(e))
}
