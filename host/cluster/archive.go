package cluster

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"time"

	"github.com/sluice-net/sluice/host/keep"
)

// archive keeps on disk what the sink was told, so that an agent that starts without
// the API server knows it. A frame of its log is one batch; where the latest version
// of each object stands is in memory, so that the log can be written anew without
// what is outdated.
type archive struct {
	path     string
	log      *slog.Logger
	file     *keep.Log // nil: nothing is kept yet, or any more
	places   map[key]spot
	live     int64 // bytes of all places
	complete map[string]string
	current  map[string]bool // resources that were complete since the start
	seed     maphash.Seed
	began    time.Time // the last time that a resource became complete, by what was read
	failed   bool
}

// spot is where an entry stands in the log, and a hash of it: an agent that starts is told
// all objects again, and most are there as they are.
type spot struct {
	at   int64
	hash uint64
	size uint32
	told bool // the sink has heard of the object since the start
}

// archiveEntry is one line of a batch, as JSON.
type archiveEntry struct {
	Resource  string `json:"r"`
	Namespace string `json:"ns,omitempty"`
	Name      string `json:"n,omitempty"`
	// Object is as it was delivered; none: it is gone. Whole says that somebody had
	// asked for the resource.
	Object json.RawMessage `json:"o,omitempty"`
	Whole  bool            `json:"w,omitempty"`
	// Complete, without a name, is the version up to which all objects of the
	// resource are here; "-": they are not any more.
	Complete string `json:"c,omitempty"`
	Time     int64  `json:"t,omitempty"` // of Complete, in seconds
}

const (
	// The log is written anew when it is this many bytes larger than twice what is
	// needed.
	archiveSlack = 16 << 20
	// archiveLimit bounds what is needed.
	archiveLimit = 1 << 30
	// archiveFrame is about how large a frame becomes.
	archiveFrame = 4 << 20
)

func newArchive(path string, log *slog.Logger) *archive {
	return &archive{path: path, log: log, places: map[key]spot{}, complete: map[string]string{}, current: map[string]bool{}, seed: maphash.MakeSeed()}
}

// openArchive finds what was kept. A damaged file is an error, and an archive that
// begins anew.
func openArchive(path string, log *slog.Logger) (*archive, error) {
	a := newArchive(path, log)
	var last int64
	file, err := keep.OpenLog(path, func(at int64, frame []byte) error {
		return eachEntry(frame, func(offset int, line []byte) error {
			var e archiveEntry
			if err := json.Unmarshal(line, &e); err != nil {
				return err
			}
			last = max(last, e.Time)
			a.note(e, a.spotOf(at+int64(offset), line))
			return nil
		})
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a, nil
	case err != nil:
		return newArchive(path, log), err
	}
	a.file, a.began = file, time.Unix(last, 0)
	return a, nil
}

func (a *archive) spotOf(at int64, line []byte) spot {
	return spot{at: at, hash: maphash.Bytes(a.seed, line), size: uint32(len(line))}
}

// read returns what is kept, by resource, of those that were complete once. It is needed
// only if the API server does not answer.
func (a *archive) read() (map[string][]archiveEntry, error) {
	if a == nil || a.file == nil {
		return nil, nil
	}
	entries := map[string][]archiveEntry{}
	for resource := range a.complete {
		entries[resource] = nil
	}
	for k, p := range a.places {
		if _, complete := a.complete[k.resource]; !complete || k.name == "" {
			continue
		}
		line := make([]byte, p.size)
		if _, err := a.file.ReadAt(line, p.at); err != nil {
			return nil, fmt.Errorf("read what is kept on disk: %w", err)
		}
		var e archiveEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read what is kept on disk: %w", err)
		}
		entries[k.resource] = append(entries[k.resource], e)
	}
	return entries, nil
}

// eachEntry goes through a frame: for each entry its length as a uvarint, and it.
func eachEntry(frame []byte, each func(offset int, line []byte) error) error {
	for at := 0; at < len(frame); {
		n, width := binary.Uvarint(frame[at:])
		at += width
		if width <= 0 || n > uint64(len(frame)-at) {
			return errors.New("an entry is longer than its frame")
		}
		if err := each(at, frame[at:at+int(n)]); err != nil {
			return err
		}
		at += int(n)
	}
	return nil
}

// note keeps where an entry stands.
func (a *archive) note(e archiveEntry, at spot) {
	k := key{shared(e.Resource), shared(e.Namespace), e.Name}
	if old, there := a.places[k]; there {
		a.live -= int64(old.size)
		delete(a.places, k)
	}
	switch {
	case e.Complete == "-":
		delete(a.complete, e.Resource)
		return
	case e.Complete != "":
		a.complete[e.Resource] = e.Complete
	case e.Object == nil:
		return
	}
	a.places[k] = at
	a.live += int64(at.size)
}

// add keeps a batch that the sink was told, and which resources it completed. What
// can not be written is said once; then nothing is kept until the next start.
func (a *archive) add(b batch, now time.Time) {
	if a == nil || a.failed {
		return
	}
	err := a.append(a.entriesOf(b, now))
	if err == nil && a.live > archiveLimit {
		err = fmt.Errorf("%s holds %d bytes; the limit is %d", a.path, a.live, archiveLimit)
	}
	if err == nil && a.file != nil && a.file.Size() > 2*a.live+archiveSlack {
		err = a.rewrite()
	}
	if err != nil {
		a.failed = true
		a.log.Error("objects are no longer kept on disk: an agent that starts without the API server will not know what changed since", "error", err)
		a.close()
	}
}

// entriesOf are a batch's entries. What completes a resource comes last: a first
// list that does not get to the disk whole does not count.
func (a *archive) entriesOf(b batch, now time.Time) iter.Seq[archiveEntry] {
	return func(yield func(archiveEntry) bool) {
		for i := range b.events {
			e := &b.events[i]
			entry := archiveEntry{Resource: e.Resource, Namespace: e.Namespace, Name: e.Name}
			switch {
			case e.Op == Put && e.JSON != nil:
				entry.Object, entry.Whole = e.JSON, true
			case e.Op == Put:
				entry.Object = encode(e.unpacked())
			}
			if !yield(entry) {
				return
			}
		}
		for _, t := range b.parts {
			for _, k := range a.outdated(t.stream.resource) {
				if !yield(archiveEntry{Resource: k.resource, Namespace: k.namespace, Name: k.name}) {
					return
				}
			}
			if _, there := a.complete[t.stream.resource]; !there && !yield(archiveEntry{
				Resource: t.stream.resource, Complete: cmp.Or(t.version, "0"), Time: now.Unix(),
			}) {
				return
			}
		}
		for resource := range b.gone {
			if _, there := a.complete[resource]; there && !yield(archiveEntry{Resource: resource, Complete: "-"}) {
				return
			}
		}
	}
}

// outdated are the objects of a resource that went while nobody looked: those of which the
// sink has not heard although it has heard of all.
func (a *archive) outdated(resource string) (gone []key) {
	if a.current[resource] {
		return nil
	}
	a.current[resource] = true
	for k, p := range a.places {
		if k.resource == resource && k.name != "" && !p.told {
			gone = append(gone, k)
		}
	}
	return gone
}

// append writes entries in frames, but for what is there as it is.
func (a *archive) append(entries iter.Seq[archiveEntry]) error {
	var frame []byte
	var written []archiveEntry // of the frame, without their objects' text
	var places []spot          // within the frame
	replaced := map[key]bool{} // by the frame
	flush := func() error {
		if len(written) == 0 {
			return nil
		}
		if a.file == nil {
			var err error
			if a.file, err = keep.RewriteLog(a.path, func(*keep.Log) error { return nil }); err != nil {
				return err
			}
		}
		at, err := a.file.Append(frame)
		if err != nil {
			return err
		}
		for i, e := range written {
			p := places[i]
			p.at += at
			a.note(e, p)
		}
		frame, written, places = frame[:0], written[:0], places[:0]
		clear(replaced)
		return nil
	}
	for e := range entries {
		line := encode(e)
		place := a.spotOf(int64(len(frame)), line)
		place.told = true
		k := key{e.Resource, e.Namespace, e.Name}
		if old, there := a.places[k]; there {
			old.told = true
			a.places[k] = old
			if old.hash == place.hash && old.size == place.size && !replaced[k] {
				continue
			}
			replaced[k] = true
		}
		frame = binary.AppendUvarint(frame, uint64(len(line)))
		place.at = int64(len(frame))
		places = append(places, place)
		frame = append(frame, line...)
		if e.Object != nil {
			e.Object = json.RawMessage{}
		}
		if written = append(written, e); len(frame) >= archiveFrame {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// rewrite leaves out what is outdated.
func (a *archive) rewrite() error {
	old := a.file
	places := make(map[key]spot, len(a.places))
	fresh, err := keep.RewriteLog(a.path, func(l *keep.Log) error {
		var frame []byte
		var keys []key
		flush := func() error {
			at, err := l.Append(frame)
			for _, k := range keys {
				p := places[k]
				p.at += at
				places[k] = p
			}
			frame, keys = frame[:0], keys[:0]
			return err
		}
		for k, p := range a.places {
			frame = binary.AppendUvarint(frame, uint64(p.size))
			moved := p
			moved.at = int64(len(frame))
			places[k] = moved
			frame = append(frame, make([]byte, p.size)...)
			if _, err := old.ReadAt(frame[len(frame)-int(p.size):], p.at); err != nil {
				return err
			}
			if keys = append(keys, k); len(frame) >= archiveFrame {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return flush()
	})
	if err != nil {
		return err
	}
	a.file, a.places = fresh, places
	return old.Close()
}

func (a *archive) close() {
	if a == nil || a.file == nil {
		return
	}
	if err := a.file.Close(); err != nil {
		a.log.Error("close what is kept on disk", "error", err)
	}
	a.file = nil
}

// remove leaves nothing on disk. Nothing may be added afterwards.
func (a *archive) remove() error {
	if a == nil {
		return nil
	}
	a.close()
	if err := os.Remove(a.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what is kept on disk: %w", err)
	}
	return nil
}
