package observe

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

func TestActions(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	s := NewServer(ServerOptions{Socket: socket})
	s.HandleAction("/v1/do", func(_ context.Context, q url.Values) (any, error) {
		if q.Get("what") == "" {
			return nil, BadParameter("what", "is missing", "say what")
		}
		return map[string]string{"did": q.Get("what")}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	serve, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	c := NewClient(socket)
	defer c.Close()
	var answer struct{ Did string }
	if err := c.Post(ctx, "/v1/do", url.Values{"what": {"it & that"}}, &answer); err != nil || answer.Did != "it & that" {
		t.Errorf("got %+v, %v", answer, err)
	}
	for _, bad := range []struct {
		name   string
		err    error
		status int
		says   string
	}{
		{"parameter", c.Post(ctx, "/v1/do", nil, &answer), http.StatusBadRequest, "say what"},
		{"GET of an action", c.Get(ctx, "/v1/do", nil, &answer), http.StatusMethodNotAllowed, "use POST"},
		{"POST to what reads", c.Post(ctx, "/healthz", nil, &answer), http.StatusMethodNotAllowed, "use GET"},
	} {
		var told *Error
		if !errors.As(bad.err, &told) || told.Status != bad.status || !strings.Contains(told.Error(), bad.says) {
			t.Errorf("%s: %v, want status %d with %q", bad.name, bad.err, bad.status, bad.says)
		}
	}
}
