package sandbox

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sluice-net/sluice/abi"
)

// The protocol between agent and child, over a stream socket that is file
// descriptor ChildFD of the child. A frame is
//
//	length  uint32, little endian: bytes of payload
//	type    uint8
//	payload
//
// and a conversation is
//
//	agent                     child
//	Confine{JSON Limits}  ->
//	                      <-  Confined{JSON Confinement} | Failed{text}
//	Load{Wasm}            ->
//	                      <-  Log* then Loaded{} | Failed{text} | Fault{kind, text}
//	Batch{EventBatch}     ->                                          (repeated)
//	                      <-  (Log | Emit | TooLarge)* then Done{int32} | Fault{kind, text}
//	EmitResult{int32}     ->  (one for each Emit and TooLarge)
//
// After Failed or Fault the child ends. Closing the socket ends the child.
// Integers are little endian. Text is UTF-8 and meant for people.
type FrameType uint8

// The frames.
const (
	FrameConfine    FrameType = 1
	FrameConfined   FrameType = 2
	FrameLoad       FrameType = 3
	FrameLoaded     FrameType = 4
	FrameFailed     FrameType = 5
	FrameBatch      FrameType = 6
	FrameEmit       FrameType = 7
	FrameEmitResult FrameType = 8
	FrameLog        FrameType = 9  // level uint8, text
	FrameDone       FrameType = 10 // what sluice_handle returned, int32
	FrameFault      FrameType = 11 // FaultKind uint8, text
	FrameTooLarge   FrameType = 12 // sluice.emit was given so many bytes, int32: more than MaxEmitSize
)

// Bounds of payloads, in bytes. The child honours them; the agent ends a child
// that does not.
const (
	ChildFD       = 3
	MaxModuleSize = 16 << 20    // a module file
	MaxBatchSize  = 32 << 20    // one EventBatch, snapshots included
	MaxEmitSize   = abi.MaxEmit // one call of sluice.emit
	MaxTextSize   = 4 << 10     // one log line, one reason
	maxHeaderSize = 16 << 10    // Confine and Confined
)

const frameHeader = 5

// limit returns the largest payload of a frame of this type, or -1 for a type
// that does not exist.
func (t FrameType) limit() int {
	switch t {
	case FrameConfine, FrameConfined:
		return maxHeaderSize
	case FrameLoad:
		return MaxModuleSize
	case FrameLoaded:
		return 0
	case FrameBatch:
		return MaxBatchSize
	case FrameEmit:
		return MaxEmitSize
	case FrameEmitResult, FrameDone, FrameTooLarge:
		return 4
	case FrameFailed:
		return MaxTextSize
	case FrameLog, FrameFault:
		return 1 + MaxTextSize
	}
	return -1
}

// AppendHeader appends the header of a frame whose payload has size bytes.
func AppendHeader(b []byte, t FrameType, size int) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(size)), byte(t))
}

// WriteFrame writes one frame, whose payload is the concatenation of parts. A
// small frame is one write. A payload over the limit of its type is refused.
func WriteFrame(w io.Writer, t FrameType, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if limit := t.limit(); size > limit {
		return fmt.Errorf("a frame of type %d with %d bytes is over its limit of %d", t, size, limit)
	}
	const small = 64 << 10
	if size <= small {
		frame := AppendHeader(make([]byte, 0, frameHeader+size), t, size)
		for _, p := range parts {
			frame = append(frame, p...)
		}
		_, err := w.Write(frame)
		return err
	}
	if _, err := w.Write(AppendHeader(nil, t, size)); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// ReadFrame reads one frame into buf, which it grows as needed, up to the limit
// of the type that the frame claims, and no further. The payload is valid until
// the next call with the same buf.
func ReadFrame(r io.Reader, buf *[]byte) (FrameType, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	size, t := binary.LittleEndian.Uint32(header[:]), FrameType(header[4])
	limit := t.limit()
	if limit < 0 {
		return 0, nil, &frameError{fmt.Sprintf("a frame of type %d, which does not exist", t)}
	}
	if int64(size) > int64(limit) {
		return 0, nil, &frameError{fmt.Sprintf("a frame of type %d that claims %d bytes; its limit is %d", t, size, limit)}
	}
	if cap(*buf) < int(size) {
		*buf = make([]byte, size)
	}
	payload := (*buf)[:size]
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	return t, payload, nil
}

// frameError is a breach of the protocol by the other side.
type frameError struct{ what string }

func (e *frameError) Error() string { return e.what }
