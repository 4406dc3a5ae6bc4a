package keep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func readLog(path string) (frames []string, err error) {
	l, err := OpenLog(path, func(at int64, content []byte) error {
		frames = append(frames, fmt.Sprintf("%d:%s", at, content))
		return nil
	})
	if err == nil {
		err = l.Close()
	}
	return frames, err
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "log")
	if _, err := readLog(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	var want []string
	note := func(at int64, content string) { want = append(want, fmt.Sprintf("%d:%s", at, content)) }
	l, err := RewriteLog(path, func(l *Log) error {
		at, err := l.Append([]byte("one"))
		note(at, "one")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	at, err := l.Append([]byte("two"))
	note(at, "two")
	if err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 2)
	if _, err := l.ReadAt(part, at+1); err != nil || string(part) != "wo" {
		t.Errorf("got %q, %v", part, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := readLog(path); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}

	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := int(at) - frameHeader
	for n := second; n < len(good); n++ { // an Append that was interrupted
		if err := os.WriteFile(path, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readLog(path); err != nil || !slices.Equal(got, want[:1]) {
			t.Errorf("cut off at %d: got %q, %v", n, got, err)
		}
	}
	for i := range good { // damage
		bad := slices.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readLog(path); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
}
