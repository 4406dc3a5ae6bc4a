package wire

import (
	"context"
	"fmt"
	"net"
)

// UnreachableError says that nobody listens on the agent's socket.
type UnreachableError struct {
	Socket string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the Sluice agent does not answer on %s: %v", e.Socket, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Call sends the request to the agent and waits for its answer. It is an *UnreachableError if the agent never got the
// request. After any other error the outcome is unknown; asking again is harmless, as all verbs may be repeated.
func Call(ctx context.Context, socket string, request *Request) (*Response, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, &UnreachableError{Socket: socket, Err: err}
	}
	defer conn.Close()
	// Closing is what makes a read that waits return, and what tells the agent that nobody waits any longer.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var response Response
	err = write(conn, request, "request")
	if err == nil {
		err = read(conn, &response, "response")
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the Sluice agent on %s to %s: %w", socket, request.Command, err)
	}
	return &response, nil
}
