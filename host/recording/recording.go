package recording

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-net/sluice/abi"
)

// Format is the version of the file format.
const Format = 1

// maxFile bounds what Read takes, in bytes after decompression.
const maxFile = 512 << 20

// Header says what was recorded.
type Header struct {
	Format     int        `json:"format"`
	Module     string     `json:"module"` // its name on the node
	Generation int        `json:"generation"`
	Digest     string     `json:"digest"` // of its Wasm file
	Version    string     `json:"version"`
	Tiers      []string   `json:"tiers"` // that it was granted
	Actions    []string   `json:"actions"`
	Limits     abi.Limits `json:"limits"`
	At         time.Time  `json:"at"`
	// Why the recording was written: what a generation died of.
	Why string `json:"why,omitempty"`
	// Folded: the first batch is not one that was handed over but the state that
	// earlier ones led to, and nothing is known of what was emitted for it.
	Folded bool `json:"folded,omitempty"`
}

// Batch is one call of sluice_handle.
type Batch struct {
	Request []byte    `json:"request"` // an encoded abi.EventBatch
	Calls   []Call    `json:"calls,omitempty"`
	Code    int32     `json:"code"`            // what it returned
	Error   string    `json:"error,omitempty"` // it did not return
	At      time.Time `json:"at"`
	Millis  float64   `json:"millis"`
}

// Call is one call of sluice.emit.
type Call struct {
	Requests []byte `json:"requests"` // nil if they were too large
	Size     int    `json:"size"`     // bytes
	Answer   int32  `json:"answer"`   // abi.EmitError
}

// Recording is what one generation heard and said last.
type Recording struct {
	Header
	Batches []Batch `json:"batches"`
}

// Save writes a recording to a file, whole or not at all.
func (r *Recording) Save(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return fmt.Errorf("writing a recording: %w", err)
	}
	defer os.Remove(f.Name()) // fails once it has been renamed, as it should
	err = errors.Join(r.write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing a recording: %w", err)
	}
	return nil
}

func (r *Recording) write(out io.Writer) error {
	zip := gzip.NewWriter(out)
	lines := json.NewEncoder(zip)
	if err := lines.Encode(r.Header); err != nil {
		return err
	}
	for _, b := range r.Batches {
		if err := lines.Encode(b); err != nil {
			return err
		}
	}
	return zip.Close()
}

// Load reads a recording from a file.
func Load(path string) (*Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", path, err)
	}
	return r, nil
}

func read(in io.Reader) (*Recording, error) {
	zip, err := gzip.NewReader(bufio.NewReader(in))
	if err != nil {
		return nil, fmt.Errorf("is no recording: %w", err)
	}
	bounded := &io.LimitedReader{R: zip, N: maxFile}
	lines := json.NewDecoder(bounded)
	r := &Recording{}
	if err := lines.Decode(&r.Header); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("is of format %d; this program reads format %d", r.Format, Format)
	}
	for {
		var b Batch
		err := lines.Decode(&b)
		switch {
		case bounded.N == 0:
			return nil, fmt.Errorf("is over the limit of %d bytes", maxFile)
		case errors.Is(err, io.EOF):
			return r, nil
		case err != nil:
			return nil, fmt.Errorf("reading batch %d: %w", len(r.Batches)+1, err)
		}
		r.Batches = append(r.Batches, b)
	}
}
