package kube

import (
	"errors"
	"strconv"

	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// ErrUnknown is what the function given to Object answers for a member it does
// not know. The member is passed over and remembered in Seen.
var ErrUnknown = errors.New("unknown field")

// Seen is what an object held.
type Seen struct {
	Known   int    // members that were read
	Unknown string // the first member that nobody knew, empty if there was none
}

// Object reads an object. read is called for each member with the decoder at its
// value. A member that is null counts as not there, which is what Kubernetes
// means by it.
func Object(d *jsonscan.Decoder, read func(field []byte) error) (Seen, error) {
	var seen Seen
	err := d.Object(func(field []byte) error {
		if d.IsNull() {
			return nil
		}
		err := read(field)
		if err == ErrUnknown {
			if seen.Unknown == "" {
				seen.Unknown = string(field)
			}
			return nil
		}
		seen.Known++
		return err
	})
	return seen, err
}

// NotOnlyUnknown refuses an object whose members are all unknown. Such an object
// must not be taken for {}, of which the API says that it stands for everything:
// it is far more likely a misspelt restriction, or one of a newer API. The
// argument says what {} would have meant.
func (seen Seen) NotOnlyUnknown(d *jsonscan.Decoder, empty string) error {
	if seen.Known > 0 || seen.Unknown == "" {
		return nil
	}
	return d.Fail("has only fields that are not known (" + quote(seen.Unknown) + "), and is not read as {}, which " + empty)
}

// MaxElements is how many elements a list, and how many labels a selector, may
// have. An object of the API server's size can hold a million empty elements,
// each of which costs many times its own length in memory: it must not be able
// to end the module, which all authors share.
const MaxElements = 50_000

// List reads an array; element is called with the decoder at each element. A
// null element is refused: read as {} it would often stand for everything.
func List(d *jsonscan.Decoder, element func() error) error {
	n := 0
	return d.Array(func() error {
		if n++; n > MaxElements {
			return tooMany(d)
		}
		if d.IsNull() {
			return d.Fail("is null")
		}
		return element()
	})
}

func tooMany(d *jsonscan.Decoder) error {
	return d.Fail("is one too many: the limit is " + strconv.Itoa(MaxElements) + "; split the object")
}

// Wrong is an error about the member field of the object that was just read.
func Wrong(d *jsonscan.Decoder, field, reason string) error {
	return &jsonscan.Error{Offset: d.Offset(), Path: field, Reason: reason}
}

// quote quotes a word of an object for an error, which must stay readable
// however long the word is.
func quote(word string) string {
	const most = 64
	if len(word) > most {
		return strconv.Quote(word[:most]) + "..."
	}
	return strconv.Quote(word)
}
