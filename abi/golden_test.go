package abi

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// vector is one message in three spellings: text and binary in testdata/golden,
// and Go here. The binary comes from "protoc --encode", so that the codec is
// never its own witness.
type vector struct {
	name string
	// The text is written with shapes that this codec never writes (unknown
	// fields, single fields that come twice): decoded only.
	variant  bool
	batch    *EventBatch
	requests []Request
}

func (v vector) message() string {
	if v.batch != nil {
		return "EventBatch"
	}
	return "RequestBatch"
}

func (v vector) encode() []byte {
	if v.batch != nil {
		return AppendEventBatch(nil, v.batch)
	}
	return appendAll(nil, v.requests)
}

func (v vector) check(t *testing.T, b []byte) {
	t.Helper()
	if v.batch != nil {
		got, err := DecodeEventBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, v.batch) {
			t.Errorf("decoded\n%s\nwant\n%s", show(got), show(v.batch))
		}
		return
	}
	got, err := decodeAll(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, v.requests) {
		t.Errorf("decoded\n%s\nwant\n%s", show(got), show(v.requests))
	}
}

func TestGolden(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors() {
		seen[v.name] = true
		t.Run(v.name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata/golden", v.name+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			v.check(t, want)
			if got := v.encode(); !v.variant && !bytes.Equal(got, want) {
				t.Errorf("encoded\n%x\nwant\n%x", got, want)
			}
		})
	}
	files, err := filepath.Glob("testdata/golden/*.txtpb")
	if err != nil || len(files) != len(seen) {
		t.Errorf("%d vectors in Go, %d in testdata/golden (%v)", len(seen), len(files), err)
	}
}

// TestProtoc makes the committed vectors again and asks protoc to read what
// the codec writes.
func TestProtoc(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("protoc is not installed: the committed vectors are compared by TestGolden, but not made again")
	}
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata/golden", v.name+".txtpb"))
			if err != nil {
				t.Fatal(err)
			}
			file, message := header(t, string(text))
			made := protoc(t, text, "--encode="+message, file)
			committed, err := os.ReadFile(filepath.Join("testdata/golden", v.name+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(made, committed) {
				t.Errorf("%s.bin is not what protoc makes of %s.txtpb", v.name, v.name)
			}
			// Through text and back: protoc has understood every field.
			full := "sluice.abi.v1." + v.message()
			ours := v.encode()
			readable := protoc(t, ours, "--decode="+full, "abi.proto")
			if again := protoc(t, readable, "--encode="+full, "abi.proto"); !bytes.Equal(again, ours) {
				t.Errorf("protoc reads our encoding as\n%s", readable)
			}
		})
	}
}

// TestProtocRandom does the same with messages that nobody chose.
func TestProtocRandom(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("protoc is not installed")
	}
	g := newGenerator(1)
	var requests []byte
	batch := EventBatch{Sequence: 5}
	for range 2000 {
		requests = AppendRequest(requests, g.request())
		batch.Events = append(batch.Events, g.event())
	}
	for message, ours := range map[string][]byte{
		"sluice.abi.v1.RequestBatch": requests,
		"sluice.abi.v1.EventBatch":   AppendEventBatch(nil, &batch),
	} {
		readable := protoc(t, ours, "--decode="+message, "abi.proto")
		if again := protoc(t, readable, "--encode="+message, "abi.proto"); !bytes.Equal(again, ours) {
			t.Errorf("%s: protoc does not give back what it was given", message)
		}
	}
}

func header(t *testing.T, text string) (file, message string) {
	t.Helper()
	for _, line := range strings.SplitN(text, "\n", 3) {
		if rest, ok := strings.CutPrefix(line, "# proto-file: "); ok {
			file = rest
		}
		if rest, ok := strings.CutPrefix(line, "# proto-message: "); ok {
			message = rest
		}
	}
	if file == "" || message == "" {
		t.Fatal("the first two lines do not name proto-file and proto-message")
	}
	return file, message
}

func protoc(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("protoc", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("protoc %v: %v\n%s", args, err, stderr.String())
	}
	return out
}
