package observe

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 20 * time.Second

// serve runs a server until the test ends or stop is called.
func serve(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	run, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "below", "admin.sock")
	registry := NewRegistry()
	attached := NewAttachMetrics(registry)
	attached.AttachedPods.Set(3)
	var sick atomic.Pointer[string]
	s := NewServer(ServerOptions{Socket: path, Metrics: registry, Health: func(context.Context) error {
		if reason := sick.Load(); reason != nil {
			return errors.New(*reason)
		}
		return nil
	}})
	s.Handle("/v1/echo", func(_ context.Context, q url.Values) (any, error) {
		return map[string]string{"name": q.Get("name")}, nil
	})
	s.Handle("/v1/bad", func(_ context.Context, q url.Values) (any, error) {
		return nil, BadParameter("port", `"`+q.Get("port")+`" is no port`, "give a number from 1 to 65535")
	})
	s.Handle("/v1/none", func(context.Context, url.Values) (any, error) {
		return nil, NotFound("Pod shop/a", "is not on this node", "see /v1/pods")
	})
	s.Handle("/v1/fault", func(context.Context, url.Values) (any, error) { return nil, errors.New("disk on fire") })
	s.Handle("/v1/panic", func(context.Context, url.Values) (any, error) { panic("oh") })
	s.Handle("/v1/slow", func(context.Context, url.Values) (any, error) { return nil, context.DeadlineExceeded })
	s.Handle("/v1/nan", func(context.Context, url.Values) (any, error) { return math.NaN(), nil })
	serve(t, s)
	c := NewClient(path)
	defer c.Close()

	var echo struct{ Name string }
	if err := c.Get(within(t), "/v1/echo", url.Values{"name": {"a b&c"}}, &echo); err != nil || echo.Name != "a b&c" {
		t.Errorf("got %+v, %v", echo, err)
	}
	for path, want := range map[string]Error{
		"/v1/bad":   {http.StatusBadRequest, "", "port", `"x" is no port`, "give a number from 1 to 65535"},
		"/v1/none":  {http.StatusNotFound, "Pod shop/a", "", "is not on this node", "see /v1/pods"},
		"/v1/fault": {http.StatusInternalServerError, "", "", "disk on fire", ""},
		"/v1/panic": {http.StatusInternalServerError, "/v1/panic", "", "fault of the agent: oh", "report it with the agent's log"},
		"/v1/slow":  {http.StatusGatewayTimeout, "", "", "context deadline exceeded", "the agent is busy: ask again"},
		"/v1/nan":   {http.StatusInternalServerError, "", "", "fault of the agent: the answer can not be written as JSON", ""},
		"/v1/other": {http.StatusNotFound, "/v1/other", "", "there is no such path", "ask one of [/healthz /metrics /debug/pprof/allocs /debug/pprof/goroutine /debug/pprof/heap /debug/pprof/profile /v1/echo /v1/bad /v1/none /v1/fault /v1/panic /v1/slow /v1/nan]"},
	} {
		err := c.Get(within(t), path, url.Values{"port": {"x"}}, &echo)
		var got *Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s: got %+v, want %+v", path, err, want)
		}
	}
	metrics, err := c.Raw(within(t), "/metrics", nil)
	if err != nil || !strings.Contains(string(metrics), "\nsluice_attached_pods 3\n") {
		t.Errorf("metrics: %v\n%s", err, metrics)
	}
	if body, err := c.Raw(within(t), "/healthz", nil); err != nil || string(body) != "{\"status\":\"ok\"}\n" {
		t.Errorf("healthz: %q, %v", body, err)
	}
	reason := "no connection to the bridge"
	sick.Store(&reason)
	if _, err := c.Raw(within(t), "/healthz", nil); err == nil || err.Error() != "agent: no connection to the bridge: see its log and /v1/status" {
		t.Errorf("healthz when sick: %v", err)
	}
}

func TestWireForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	s := NewServer(ServerOptions{Socket: path})
	s.Handle("/v1/status", func(context.Context, url.Values) (any, error) { return 1, nil })
	serve(t, s)
	c := NewClient(path)
	defer c.Close()
	for _, test := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/v1/status", 200, "1\n"},
		{"POST", "/v1/status", 405, `{"error":{"object":"/v1/status","reason":"method POST is not served","remedy":"this path only reads: use GET"}}` + "\n"},
		{"GET", "/v1/status?a=%zz", 400, `{"error":{"reason":"the query can not be read: invalid URL escape \"%zz\"","remedy":"escape it as in a URL"}}` + "\n"},
	} {
		request, err := http.NewRequestWithContext(within(t), test.method, "http://sluice"+test.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		if _, err := copyAll(&body, response); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != test.status || body.String() != test.body {
			t.Errorf("%s %s: got %d %s, want %d %s", test.method, test.target, response.StatusCode, body.String(), test.status, test.body)
		}
		if got := response.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: content type %q", test.method, test.target, got)
		}
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	stop := serve(t, NewServer(ServerOptions{Socket: path}))
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket has mode %v, %v, want %v", info.Mode(), err, fs.ModeSocket|0o600)
	}
	_, err = NewServer(ServerOptions{Socket: path}).Listen(within(t))
	if want := "admin API: listen on " + path + ": another agent is listening there: stop it or choose another path"; err == nil || err.Error() != want {
		t.Errorf("second server: got %v, want %s", err, want)
	}
	if _, err := NewClient(path).Raw(within(t), "/healthz", nil); err != nil {
		t.Errorf("the first server does not answer any more: %v", err)
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	serve(t, NewServer(ServerOptions{Socket: path}))
	if _, err := NewClient(path).Raw(within(t), "/healthz", nil); err != nil {
		t.Error(err)
	}
}

// A server whose socket was removed by hand leaves the next one's alone.
func TestSocketOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	stop := serve(t, NewServer(ServerOptions{Socket: path}))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	serve(t, NewServer(ServerOptions{Socket: path}))
	stop()
	if _, err := NewClient(path).Raw(within(t), "/healthz", nil); err != nil {
		t.Error(err)
	}
}

func TestPlacesThatCannotBeASocket(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 120))
	for path, want := range map[string]string{
		file:                        "admin API: listen on " + file + ": there is a file that is no socket: remove it or choose another path",
		long:                        "admin API: listen on " + long + ": the path has " + itoa(len(long)) + " bytes and the limit of unix sockets is 107: choose a shorter one",
		filepath.Join(file, "sock"): "admin API: listen on " + filepath.Join(file, "sock") + ": mkdir " + file + ": not a directory",
	} {
		if err := NewServer(ServerOptions{Socket: path}).Run(within(t)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

// Of many that start at once, exactly one listens.
func TestRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	const servers = 16
	sockets := make(chan *socket, servers)
	var group sync.WaitGroup
	for range servers {
		group.Go(func() {
			if s, err := listen(context.Background(), path); err == nil {
				sockets <- s
			}
		})
	}
	group.Wait()
	close(sockets)
	listening := 0
	for s := range sockets {
		listening++
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if listening != 1 {
		t.Errorf("%d servers listen on one path", listening)
	}
}

// A question that is being answered when the server ends gets its answer.
func TestGracefulEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	s := NewServer(ServerOptions{Socket: path})
	asked, answer := make(chan struct{}), make(chan struct{})
	s.Handle("/v1/slow", func(context.Context, url.Values) (any, error) {
		close(asked)
		<-answer
		return "done", nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	run, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	got := make(chan error, 1)
	var text string
	go func() { got <- NewClient(path).Get(context.Background(), "/v1/slow", nil, &text) }()
	<-asked
	cancel()
	close(answer)
	if err := <-got; err != nil || text != "done" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestClientWithoutAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	_, err := NewClient(path).Raw(within(t), "/v1/status", nil)
	want := "no agent is listening on " + path + `: start it with "systemctl start sluice-agent", or name the socket of the one that runs: `
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %s", err, want)
	}
	silent, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = NewClient(path).Raw(ctx, "/v1/status", nil)
	if want := "the agent behind " + path + " did not answer /v1/status in time: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What listens may not be an agent at all.
func TestClientWithStranger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
		}
		if err := json.NewEncoder(w).Encode("tea"); err != nil {
			t.Error(err)
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Serve(listener) }()
	defer func() {
		if err := stranger.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	}()
	c := NewClient(path)
	if _, err := c.Raw(within(t), "/teapot", nil); err == nil || err.Error() != "/teapot: the agent answered 418 I'm a teapot: see its log" {
		t.Errorf("got %v", err)
	}
	var number int
	if err := c.Get(within(t), "/", nil, &number); err == nil || !strings.HasSuffix(err.Error(), "are agent and sluicectl of the same version?") {
		t.Errorf("got %v", err)
	}
}
