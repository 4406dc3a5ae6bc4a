package sandbox_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/sluice-net/sluice/host/sandbox"
)

func TestFrames(t *testing.T) {
	var stream bytes.Buffer
	large := bytes.Repeat([]byte("x"), 100_000)
	for _, parts := range [][][]byte{{}, {[]byte("a"), []byte("bc")}, {large, []byte("end")}} {
		if err := sandbox.WriteFrame(&stream, sandbox.FrameBatch, parts...); err != nil {
			t.Fatal(err)
		}
	}
	var buf []byte
	for _, want := range []string{"", "abc", string(large) + "end"} {
		kind, payload, err := sandbox.ReadFrame(&stream, &buf)
		if kind != sandbox.FrameBatch || string(payload) != want || err != nil {
			t.Errorf("a frame of type %d with %d bytes, %v; want %d bytes", kind, len(payload), err, len(want))
		}
	}
	if _, _, err := sandbox.ReadFrame(&stream, &buf); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if err := sandbox.WriteFrame(io.Discard, sandbox.FrameEmit, make([]byte, sandbox.MaxEmitSize+1)); err == nil {
		t.Error("a frame over its limit was written")
	}
}

// Whatever the bytes, reading a frame allocates no more than the limit of its
// type.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 9, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 7})
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f, 6, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf []byte
		_, payload, err := sandbox.ReadFrame(bytes.NewReader(b), &buf)
		if cap(buf) > sandbox.MaxBatchSize {
			t.Errorf("%d bytes were allocated", cap(buf))
		}
		if err == nil && !bytes.Equal(payload, b[5:5+len(payload)]) {
			t.Error("the payload is not what was sent")
		}
	})
}
