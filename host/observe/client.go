package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// maxAnswer bounds what a Client takes, in bytes.
const maxAnswer = 256 << 20

// Client asks the agent behind a socket.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client; empty means DefaultSocket. It connects when asked.
func NewClient(socket string) *Client {
	if socket == "" {
		socket = DefaultSocket
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		MaxIdleConns: 1,
	}
	return &Client{socket: socket, http: http.Client{Transport: transport}}
}

// Close ends connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get asks a path ("/v1/pods") and decodes the JSON answer into a pointer. What
// the agent refused is an *Error.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	body, err := c.Raw(ctx, path, query)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the agent's answer to %s: %w: are agent and sluicectl of the same version?", path, err)
	}
	return nil
}

// Raw asks a path and returns the body of the answer as it is.
func (c *Client) Raw(ctx context.Context, path string, query url.Values) ([]byte, error) {
	return c.ask(ctx, http.MethodGet, path, query)
}

func (c *Client) ask(ctx context.Context, method, path string, query url.Values) ([]byte, error) {
	address := url.URL{Scheme: "http", Host: "sluice", Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the agent's answer to %s: %w", path, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("read the agent's answer to %s: it is longer than the limit of %d bytes: ask for less", path, maxAnswer)
	}
	if response.StatusCode == http.StatusOK {
		return body, nil
	}
	var refused struct {
		Error *Error `json:"error"`
	}
	if err := json.Unmarshal(body, &refused); err != nil || refused.Error == nil {
		return nil, &Error{Status: response.StatusCode, Object: path, Reason: "the agent answered " + response.Status, Remedy: "see its log"}
	}
	refused.Error.Status = response.StatusCode
	return nil, refused.Error
}

func (c *Client) explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no agent is listening on %s: start it with \"systemctl start sluice-agent\", or name the socket of the one that runs: %w", c.socket, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the agent's socket %s may not be opened: run this as root: %w", c.socket, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the agent behind %s did not answer %s in time: %w", c.socket, path, err)
	default:
		return fmt.Errorf("ask the agent behind %s for %s: %w", c.socket, path, err)
	}
}
