package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DefaultSocket is where sluicectl looks for the agent.
const DefaultSocket = "/run/sluice/admin.sock"

// Read answers a question: its result becomes JSON. An *Error says which status
// and what to do; every other error is answered with status 500. It is called
// from many goroutines at once.
type Read func(ctx context.Context, query url.Values) (any, error)

// ServerOptions of a Server.
type ServerOptions struct {
	// Socket is the path to listen on; empty means DefaultSocket.
	Socket string
	// Metrics are served at /metrics, unless nil.
	Metrics prometheus.Gatherer
	// Health decides what /healthz answers: "ok", or 503 with the reason. Nil
	// means always well.
	Health func(ctx context.Context) error
	// Logger is nil or where to write.
	Logger *slog.Logger
}

// Server is the admin API.
type Server struct {
	options ServerOptions
	mux     *http.ServeMux
	paths   []string
}

// The limits of one question.
const (
	answerTime   = 30 * time.Second
	shutdownTime = 5 * time.Second
	headerBytes  = 64 << 10
)

// NewServer makes a server that does not listen yet.
func NewServer(options ServerOptions) *Server {
	if options.Socket == "" {
		options.Socket = DefaultSocket
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: options, mux: http.NewServeMux()}
	s.Handle("/healthz", func(ctx context.Context, _ url.Values) (any, error) {
		if options.Health != nil {
			if err := options.Health(ctx); err != nil {
				return nil, &Error{Status: http.StatusServiceUnavailable, Object: "agent", Reason: err.Error(), Remedy: "see its log and /v1/status"}
			}
		}
		return map[string]string{"status": "ok"}, nil
	})
	if options.Metrics != nil {
		s.add("/metrics", promhttp.HandlerFor(options.Metrics, promhttp.HandlerOpts{
			ErrorLog: slog.NewLogLogger(options.Logger.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
		}))
	}
	s.addProfiles()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, NotFound(r.URL.Path, "there is no such path", fmt.Sprintf("ask one of %v", s.paths)))
	})
	return s
}

// Handle answers GET requests for a path ("/v1/status"). All paths are given
// before Run; the same path twice panics.
func (s *Server) Handle(path string, read Read) {
	s.add(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			refuse(w, BadParameter("", "the query can not be read: "+err.Error(), "escape it as in a URL"))
			return
		}
		answer, err := s.ask(r.Context(), answerTime, path, read, query)
		if err != nil {
			refuse(w, asError(err))
			return
		}
		send(w, http.StatusOK, answer)
	}))
}

// ask asks within a time, and survives what it asks.
func (s *Server) ask(ctx context.Context, limit time.Duration, path string, read Read, query url.Values) (answer any, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if fault := recover(); fault != nil {
			s.options.Logger.Error("admin API: a handler panicked", "path", path, "panic", fault)
			answer, err = nil, &Error{Object: path, Reason: fmt.Sprintf("fault of the agent: %v", fault), Remedy: "report it with the agent's log"}
		}
	}()
	return read(ctx, query)
}

func (s *Server) add(path string, handler http.Handler) {
	s.paths = append(s.paths, path)
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, &Error{Status: http.StatusMethodNotAllowed, Object: path, Reason: "method " + r.Method + " is not served", Remedy: "this path only reads: use GET"})
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// Listen binds the socket, so that an error shows before the agent goes on. The
// returned function serves until ctx ends, lets the questions that are being
// answered finish (5 s at most), removes the socket and returns nil; it must be
// called once.
func (s *Server) Listen(ctx context.Context) (serve func(ctx context.Context) error, err error) {
	listener, err := listen(ctx, s.options.Socket)
	if err != nil {
		return nil, fmt.Errorf("admin API: %w", err)
	}
	return func(ctx context.Context) error {
		if err := serveUntil(ctx, listener, s.mux, s.options.Logger); err != nil {
			return fmt.Errorf("admin API on %s: %w", s.options.Socket, err)
		}
		return nil
	}, nil
}

// serveUntil serves until ctx ends, and lets the questions that are being answered
// finish.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      answerTime + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := server.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended
	return err
}

// Run listens and serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	serve, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	return serve(ctx)
}

func refuse(w http.ResponseWriter, e *Error) {
	send(w, e.Status, map[string]*Error{"error": e})
}

// send writes the answer as a whole, so that one that can not be encoded is an
// error and not half an answer.
func send(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"reason":"fault of the agent: the answer can not be written as JSON"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) //nolint:errcheck // the one who asked is gone
}
