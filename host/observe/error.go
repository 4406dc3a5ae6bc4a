package observe

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Error is what the API answers when it can not answer: the body is
// {"error":{"object":…,"field":…,"reason":…,"remedy":…}}.
type Error struct {
	// Status is the HTTP status; 0 stands for 500.
	Status int `json:"-"`
	// Object is what the question was about: "Pod shop/web".
	Object string `json:"object,omitempty"`
	// Field is the parameter of the question that is wrong: "port".
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	// Remedy is what to do about it.
	Remedy string `json:"remedy,omitempty"`
}

// Error is all of it in one line.
func (e *Error) Error() string {
	var parts []string
	for _, part := range []string{e.Object, e.Field, e.Reason, e.Remedy} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// BadParameter says that a parameter of the question is wrong.
func BadParameter(field, reason, remedy string) *Error {
	return &Error{Status: http.StatusBadRequest, Field: field, Reason: reason, Remedy: remedy}
}

// NotFound says that there is no such object.
func NotFound(object, reason, remedy string) *Error {
	return &Error{Status: http.StatusNotFound, Object: object, Reason: reason, Remedy: remedy}
}

// asError finds the Error in err, or makes one of it.
func asError(err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		answer := *known
		if answer.Status == 0 {
			answer.Status = http.StatusInternalServerError
		}
		return &answer
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Status: http.StatusGatewayTimeout, Reason: err.Error(), Remedy: "the agent is busy: ask again"}
	default:
		return &Error{Status: http.StatusInternalServerError, Reason: err.Error()}
	}
}
