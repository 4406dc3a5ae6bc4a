package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containernetworking/cni/pkg/types"
)

// DefaultSocket is where the agent listens unless it was told otherwise.
const DefaultSocket = "/run/sluice/cni.sock"

// MaxLine is the largest message in bytes, its newline included.
const MaxLine = 1 << 20

// CNI verbs, as in the variable CNI_COMMAND of the CNI specification.
const (
	Add    = "ADD"
	Del    = "DEL"
	Check  = "CHECK"
	GC     = "GC"
	Status = "STATUS"
)

// Request is what the container runtime told the plugin (CNI specification 1.1.0, section 2).
type Request struct {
	Command     string `json:"command"`
	ContainerID string `json:"containerID,omitempty"`
	// Netns is a path as the plugin sees it; the agent must see the same file there.
	Netns  string            `json:"netns,omitempty"`
	IfName string            `json:"ifName,omitempty"`
	Args   map[string]string `json:"args,omitempty"` // CNI_ARGS
	Path   string            `json:"path,omitempty"` // CNI_PATH
	Config json.RawMessage   `json:"config"`         // the plugin's standard input, prevResult included
}

// Response has either an Error or, for ADD, a Result.
type Response struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *types.Error    `json:"error,omitempty"`
}

// TooLongError says that a message exceeds MaxLine.
type TooLongError struct{ What string }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the %s is longer than %d bytes", e.What, MaxLine)
}

// ReadRequest reads one request.
func ReadRequest(r io.Reader) (*Request, error) {
	var q Request
	if err := read(r, &q, "request"); err != nil {
		return nil, err
	}
	return &q, nil
}

// WriteResponse writes one response.
func WriteResponse(w io.Writer, response *Response) error { return write(w, response, "response") }

func read(r io.Reader, into any, what string) error {
	line, err := bufio.NewReader(io.LimitReader(r, MaxLine)).ReadBytes('\n')
	switch {
	case errors.Is(err, io.EOF) && len(line) == MaxLine:
		return &TooLongError{What: what}
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the %s ends after %d bytes without a newline: %w", what, len(line), io.ErrUnexpectedEOF)
	case err != nil:
		return fmt.Errorf("read the %s: %w", what, err)
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("the %s is not the JSON that it should be: %w", what, err)
	}
	return nil
}

func write(w io.Writer, message any, what string) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line) // ends with a newline, and makes the raw JSON in the message one line
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(message); err != nil {
		return fmt.Errorf("encode the %s: %w", what, err)
	}
	if line.Len() > MaxLine {
		return &TooLongError{What: what}
	}
	if _, err := w.Write(line.Bytes()); err != nil {
		return fmt.Errorf("send the %s: %w", what, err)
	}
	return nil
}
