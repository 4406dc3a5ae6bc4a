package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"
)

func TestMessagesAreOneLine(t *testing.T) {
	q := &Request{
		Command: Add, ContainerID: "c1", Netns: "/run/netns/x", IfName: "eth0", Path: "/opt/cni/bin",
		Args: map[string]string{"K8S_POD_NAME": "a"}, Config: json.RawMessage("{\n  \"name\": \"<&>\"\n}"),
	}
	var b bytes.Buffer
	if err := write(&b, q, "request"); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `{"name":"<&>"}`) {
		t.Errorf("on the wire: %q", text)
	}
	got, err := ReadRequest(&b)
	if err != nil {
		t.Fatal(err)
	}
	q.Config = json.RawMessage(`{"name":"<&>"}`)
	if !reflect.DeepEqual(got, q) {
		t.Errorf("got %+v, want %+v", got, q)
	}
}

func TestBadMessages(t *testing.T) {
	var tooLong *TooLongError
	for _, c := range []struct {
		name, text string
		want       func(error) bool
	}{
		{"too long", strings.Repeat("x", MaxLine+1), func(err error) bool { return errors.As(err, &tooLong) }},
		{"cut off", `{"command":"ADD"`, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"nothing", "", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"no JSON", "hello\n", func(err error) bool { return strings.Contains(err.Error(), "not the JSON") }},
		{"wrong type", "{\"command\":5}\n", func(err error) bool { return strings.Contains(err.Error(), "not the JSON") }},
	} {
		if _, err := ReadRequest(strings.NewReader(c.text)); err == nil || !c.want(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	big := &Response{Result: json.RawMessage(`"` + strings.Repeat("x", MaxLine) + `"`)}
	if err := WriteResponse(io.Discard, big); !errors.As(err, &tooLong) {
		t.Errorf("too long a response: %v", err)
	}
}

// serve answers each connection with fn until the test ends, and returns the socket.
func serve(t *testing.T, fn func(net.Conn)) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); fn(c) }()
		}
	}()
	return socket
}

func TestCall(t *testing.T) {
	socket := serve(t, func(c net.Conn) {
		q, err := ReadRequest(c)
		if err != nil {
			t.Error(err)
			return
		}
		if err := WriteResponse(c, &Response{Error: types.NewError(11, q.ContainerID, "later")}); err != nil {
			t.Error(err)
		}
	})
	response, err := Call(t.Context(), socket, &Request{Command: Add, ContainerID: "c1", Config: json.RawMessage("{}")})
	if err != nil || response.Error == nil || response.Error.Msg != "c1" || response.Error.Code != 11 {
		t.Errorf("got %+v, %v", response, err)
	}
}

func TestCallWithoutAnAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	var unreachable *UnreachableError
	_, err := Call(t.Context(), socket, &Request{Command: Add, Config: json.RawMessage("{}")})
	if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), socket) {
		t.Errorf("got %v", err)
	}
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Call(ctx, silent, &Request{Command: Add, Config: json.RawMessage("{}")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent agent: %v", err)
	}
}
