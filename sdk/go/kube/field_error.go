package kube

import (
	"errors"

	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// FieldError says which field of an object is wrong, and why, to the person who
// wrote the object. Path is written the way Kubernetes writes it:
// "spec.ingress[1].from[0].ipBlock.cidr"; it is empty for the object itself.
type FieldError struct {
	Path   string
	Reason string
}

func (e *FieldError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// ReadError makes a FieldError of an error of this package or of jsonscan. The
// offset is kept only where there is no path: the author never saw the compact
// JSON that it counts in.
func ReadError(err error) error {
	var at *jsonscan.Error
	if !errors.As(err, &at) {
		return err
	}
	if at.Path == "" {
		return &FieldError{Reason: at.Error()}
	}
	return &FieldError{Path: at.Path, Reason: at.Reason}
}
