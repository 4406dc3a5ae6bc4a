package attach

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
)

const (
	// readPatience bounds how long a client may take to say what it wants.
	readPatience = 5 * time.Second
	// requestPatience bounds one request, waiting for others about the same Pod included.
	requestPatience = 2 * time.Minute
	// maxConnections bounds the requests that are read or wait at a time; more wait in the kernel's queue.
	maxConnections = 256
)

// Server answers the CNI plugin on a unix socket that only root may use.
type Server struct {
	attacher *Attacher
	logger   *slog.Logger
	listener net.Listener
	socket   string
}

// Listen makes the socket. A socket that a process left behind is replaced; one that another process serves is an error.
func Listen(socket string, attacher *Attacher, logger *slog.Logger) (*Server, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the CNI socket: %w", err)
	}
	if conn, err := net.Dial("unix", socket); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another agent answers on the CNI socket %s: stop it, or give this one another socket", socket)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the CNI socket that a process before this one left: %w", err)
	}
	listener, err := listenPrivately(socket)
	if err != nil {
		return nil, fmt.Errorf("listen for the CNI plugin: %w", err)
	}
	return &Server{attacher: attacher, logger: logger, listener: listener, socket: socket}, nil
}

// listenPrivately makes a socket that nobody but root could ever connect to: it gets its name with its permissions.
func listenPrivately(socket string) (net.Listener, error) {
	nameless := socket + ".new"
	if err := os.Remove(nameless); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: nameless, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // it would be the former name
	err = os.Chmod(nameless, 0o600)
	if err == nil {
		err = os.Rename(nameless, socket)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.Remove(nameless))
	}
	return listener, nil
}

// Serve answers requests until ctx ends, and returns when those under way are answered or undone. The socket is gone then.
func (s *Server) Serve(ctx context.Context) error {
	gone := make(chan struct{})
	stay := context.AfterFunc(ctx, func() {
		defer close(gone)
		_ = os.Remove(s.socket) // it refuses connections from now on anyhow
		s.listener.Close()
	})
	defer func() {
		if !stay() {
			<-gone
		}
	}()
	var requests sync.WaitGroup
	defer requests.Wait()
	slots := make(chan struct{}, maxConnections)
	for {
		slots <- struct{}{}
		conn, err := s.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept a connection of the CNI plugin: %w", err)
		}
		requests.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			s.answer(ctx, conn)
		})
	}
}

func (s *Server) answer(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	_ = conn.SetReadDeadline(time.Now().Add(readPatience)) // fails only on a closed connection, which reading tells
	var response *wire.Response
	q, err := wire.ReadRequest(conn)
	if err != nil {
		response = &wire.Response{Error: types.NewError(types.ErrDecodingFailure, err.Error(), "the plugin and the agent must be of the same version")}
	} else {
		_ = conn.SetReadDeadline(time.Time{})
		go func() { // the plugin says nothing more: that reading ends means that nobody waits for the answer
			_, _ = conn.Read(make([]byte, 1))
			cancel()
		}()
		response = s.attacher.Handle(ctx, q)
	}
	if response.Error != nil {
		s.logger.Warn("CNI request refused", "command", commandOf(q), "code", response.Error.Code, "reason", response.Error.Msg)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(readPatience))
	if err := wire.WriteResponse(conn, response); err != nil {
		s.logger.Warn("the CNI plugin did not wait for its answer", "command", commandOf(q), "err", err)
	}
}

func commandOf(q *wire.Request) string {
	if q == nil {
		return ""
	}
	return q.Command
}

// Handle does what a request says. It is what Serve calls for each.
func (a *Attacher) Handle(ctx context.Context, q *wire.Request) *wire.Response {
	var response wire.Response
	var err error
	switch q.Command {
	case wire.Add:
		response.Result, err = a.Add(ctx, q)
	case wire.Del:
		err = a.Del(ctx, q)
	case wire.Check:
		err = a.Check(ctx, q)
	case wire.GC:
		err = a.GC(ctx, q)
	case wire.Status:
		err = a.Status(ctx)
	default:
		err = types.NewError(types.ErrInvalidEnvironmentVariables, fmt.Sprintf("unknown command %q", q.Command), "the plugin and the agent must be of the same version")
	}
	if err != nil {
		response = wire.Response{Error: answer(err)}
	}
	return &response
}
