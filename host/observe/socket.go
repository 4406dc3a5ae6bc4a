package observe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is what fits into sockaddr_un with its final zero (unix(7)).
const maxSocketPath = 107

// listen binds a unix socket that only its owner may open. It takes the place
// of a socket that nobody listens on any more; a living server, or a file that
// is no socket, is an error and is left alone.
func listen(ctx context.Context, path string) (*socket, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes and the limit of unix sockets is %d: choose a shorter one", path, len(path), maxSocketPath)
	}
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	// Of two servers that start at once, one must see the other.
	unlock, err := lock(directory)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: lock its directory: %w", path, err)
	}
	defer unlock()
	if err := makeRoom(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		// The file gets the mode that the socket has when it is bound, so
		// there is no moment at which others may open it.
		var failure error
		err := raw.Control(func(fd uintptr) { failure = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failure)
	}}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	bound, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), listener.Close())
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	return &socket{Listener: listener, path: path, bound: bound}, nil
}

// lock waits for others that are about to listen in the same directory.
func lock(directory string) (unlock func(), err error) {
	f, err := os.Open(directory)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

// makeRoom removes a socket that nobody listens on.
func makeRoom(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket: remove it or choose another path")
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return errors.New("another agent is listening there: stop it or choose another path")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	default:
		return fmt.Errorf("find out whether another agent is listening there: %w", err)
	}
}

// socket is a listener that removes its file when closed, unless the file is
// somebody else's by then.
type socket struct {
	net.Listener
	path  string
	bound fs.FileInfo
}

func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(s.bound, now) {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, s.Listener.Close())
		}
	}
	return s.Listener.Close()
}
