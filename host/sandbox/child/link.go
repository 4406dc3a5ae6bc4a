package child

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/sandbox"
)

// link is the child's end of the socket.
type link struct {
	fd      int
	buf     []byte // of the batch or module in hand
	replies []byte // of EmitResult, which arrives while the batch is in hand
}

func (l *link) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(l.fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func (l *link) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n, err := unix.Write(l.fd, b[written:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// expect reads a frame, which must be of type t. The payload is valid until the
// next expect.
func (l *link) expect(t sandbox.FrameType) ([]byte, error) {
	got, payload, err := sandbox.ReadFrame(l, &l.buf)
	if err != nil {
		return nil, err
	}
	if got != t {
		return nil, fmt.Errorf("the agent sent a frame of type %d instead of %d", got, t)
	}
	return payload, nil
}

func (l *link) forget() { l.buf = nil }

func (l *link) send(t sandbox.FrameType, parts ...[]byte) error {
	return sandbox.WriteFrame(l, t, parts...)
}

func (l *link) sendInt(t sandbox.FrameType, v int32) error {
	return l.send(t, binary.LittleEndian.AppendUint32(nil, uint32(v)))
}

// emit hands requests to the agent, or says that they are too many, and waits for
// its verdict.
func (l *link) emit(requests []byte) (int32, error) {
	var err error
	if len(requests) > sandbox.MaxEmitSize {
		err = l.sendInt(sandbox.FrameTooLarge, int32(len(requests)))
	} else {
		err = l.send(sandbox.FrameEmit, requests)
	}
	if err != nil {
		return 0, err
	}
	t, payload, err := sandbox.ReadFrame(l, &l.replies)
	if err != nil {
		return 0, err
	}
	if t != sandbox.FrameEmitResult || len(payload) != 4 {
		return 0, fmt.Errorf("the agent answered an emit with a frame of type %d", t)
	}
	return int32(binary.LittleEndian.Uint32(payload)), nil
}

func (l *link) log(level abi.LogLevel, text []byte) error {
	return l.send(sandbox.FrameLog, []byte{byte(level)}, text[:min(len(text), sandbox.MaxTextSize)])
}

// fail tells the agent why the child ends before there was a module.
func (l *link) fail(err error) error {
	_ = l.send(sandbox.FrameFailed, cut(err.Error()))
	return err
}

// fault tells the agent what the module did.
func (l *link) fault(err error) error {
	kind := sandbox.FaultTrap
	var f *fault
	if errors.As(err, &f) {
		kind = f.kind
	}
	_ = l.send(sandbox.FrameFault, []byte{byte(kind)}, cut(err.Error()))
	return err
}

func cut(text string) []byte {
	return []byte(text)[:min(len(text), sandbox.MaxTextSize)]
}
