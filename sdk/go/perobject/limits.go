package perobject

import (
	"errors"
	"iter"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// Limits of what one object may stand for. The host counts per module, and
// refuses a whole batch when a module asks for too much: without limits per
// object, one object would keep all others from being brought into force.
const (
	MaxRequests     = 20_000
	MaxRequestBytes = abi.MaxEmit / 2
	MaxMessage      = 1024 // bytes of the message of a condition; more is cut off
)

// checkNames refuses an object whose names the host would not take in an origin.
// The API server has none such, but objects also come from files.
func checkNames(o sluice.Object) error {
	for _, word := range []string{o.Namespace, o.Name} {
		if len(word) > abi.MaxName || !utf8.ValidString(word) {
			return errName
		}
	}
	return nil
}

var errName = errors.New("metadata: name and namespace are valid UTF-8 of at most " + strconv.Itoa(abi.MaxName) + " bytes")

// brief cuts a message that quotes too much of its object.
func brief(message string) string {
	if len(message) <= MaxMessage {
		return message
	}
	cut := MaxMessage - len("...")
	for cut > 0 && !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "..."
}

// limitError says how much was asked for and how much may be.
type limitError struct {
	what       string
	asked, max int
}

func (e *limitError) Error() string {
	return "stands for " + strconv.Itoa(e.asked) + " " + e.what + ", the limit is " + strconv.Itoa(e.max) + ": split it into several objects"
}

// withinLimits refuses what no batch should carry. An object of size bytes is
// measured only if it is large enough to have a request near the limit: what a
// request says more than the object are the namespace and a few words to each
// peer.
func withinLimits(requests []abi.Request, size int) error {
	if len(requests) > MaxRequests {
		return &limitError{"sets and rules", len(requests), MaxRequests}
	}
	if size < MaxRequestBytes/16 {
		return nil
	}
	var wire []byte
	for _, r := range requests {
		for part := range parts(r) {
			if wire = abi.AppendRequest(wire[:0], part); len(wire) > MaxRequestBytes {
				return &limitError{"bytes in one set or rule", len(wire), MaxRequestBytes}
			}
		}
	}
	return nil
}

// parts yields a request as the SDK sends it: many blocks go by and by.
func parts(r abi.Request) iter.Seq[abi.Request] {
	return func(yield func(abi.Request) bool) {
		const together = 1024
		put, _ := r.(*abi.PutSet)
		if put != nil {
			if addresses, ok := put.Spec.(*abi.Addresses); ok {
				for blocks := range slices.Chunk(addresses.Blocks, together) {
					if !yield(&abi.PatchSet{Name: put.Name, Add: blocks}) {
						return
					}
				}
				return
			}
		}
		yield(r)
	}
}
