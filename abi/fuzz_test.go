package abi

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func addGolden(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.bin")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden vectors to start from: ", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// What decodes encodes to something that decodes to the same, and a second
// encoding changes nothing.
func FuzzDecodeRequests(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := decodeAll(b)
		if err != nil {
			if len(err.Error()) > 500 {
				t.Errorf("long error: %v", err)
			}
			return
		}
		encoded := appendAll(nil, first)
		second, err := decodeAll(encoded)
		if err != nil {
			t.Fatalf("our own encoding does not read: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("got\n%s\nthen\n%s", show(first), show(second))
		}
		if again := appendAll(nil, second); !bytes.Equal(encoded, again) {
			t.Fatalf("encoded %x, then %x", encoded, again)
		}
	})
}

func FuzzDecodeEventBatch(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := DecodeEventBatch(b)
		var streamed []Event
		errStream := DecodeEvents(b, func(e Event) error { streamed = append(streamed, e); return nil })
		if err != nil {
			return
		}
		sequence, reset, errHead := DecodeBatchHead(b)
		if errHead != nil || sequence != first.Sequence || reset != first.Reset {
			t.Fatalf("head is %d %v (%v), batch says %d %v", sequence, reset, errHead, first.Sequence, first.Reset)
		}
		if errStream != nil || !reflect.DeepEqual(streamed, first.Events) {
			t.Fatalf("the stream (%v) gives\n%s\nthe batch\n%s", errStream, show(streamed), show(first.Events))
		}
		encoded := AppendEventBatch(nil, first)
		second, err := DecodeEventBatch(encoded)
		if err != nil {
			t.Fatalf("our own encoding does not read: %v", err)
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("got\n%s\nthen\n%s", show(first), show(second))
		}
	})
}

// decode(encode(x)) is x.
func FuzzRoundTrip(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g := newGenerator(seed)
		prefix := []byte("kept")
		var want []Request
		for range 1 + g.IntN(20) {
			want = append(want, g.request())
		}
		b := appendAll(prefix, want)
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("what was in the buffer before is gone")
		}
		got, err := decodeAll(b[len(prefix):])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("error %v, got\n%s\nwant\n%s", err, show(got), show(want))
		}

		batch := &EventBatch{Sequence: uint64(g.number()), Reset: g.IntN(2) == 0}
		for range g.IntN(20) {
			batch.Events = append(batch.Events, g.event())
		}
		again, err := DecodeEventBatch(AppendEventBatch(nil, batch))
		if err != nil || !reflect.DeepEqual(again, batch) {
			t.Fatalf("error %v, got\n%s\nwant\n%s", err, show(again), show(batch))
		}
	})
}
