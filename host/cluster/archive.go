package cluster

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
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
	failed   bool
}

// spot is where an entry stands in the log.
type spot struct {
	at   int64
	size uint32
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

// openArchive reads what was kept. A damaged file is an error, and an archive that
// begins anew.
func openArchive(path string, log *slog.Logger) (*archive, map[string][]archiveEntry, time.Time, error) {
	a := &archive{path: path, log: log, places: map[key]spot{}, complete: map[string]string{}}
	entries := map[key]archiveEntry{}
	var last int64
	file, err := keep.OpenLog(path, func(at int64, frame []byte) error {
		return eachEntry(frame, func(offset int, line []byte) error {
			var e archiveEntry
			if err := json.Unmarshal(line, &e); err != nil {
				return err
			}
			last = max(last, e.Time)
			a.note(e, spot{at + int64(offset), uint32(len(line))})
			if k := (key{e.Resource, e.Namespace, e.Name}); e.Object != nil {
				entries[k] = e
			} else {
				delete(entries, k)
			}
			return nil
		})
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a, nil, time.Time{}, nil
	case err != nil:
		return &archive{path: path, log: log, places: map[key]spot{}, complete: map[string]string{}}, nil, time.Time{}, err
	}
	a.file = file
	byResource := map[string][]archiveEntry{}
	for resource := range a.complete {
		byResource[resource] = nil
	}
	for k, e := range entries {
		if _, ok := a.complete[k.resource]; ok {
			byResource[k.resource] = append(byResource[k.resource], e)
		}
	}
	return a, byResource, time.Unix(last, 0), nil
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
	k := key{e.Resource, e.Namespace, e.Name}
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
				entry.Object = encode(e.Object)
			}
			if !yield(entry) {
				return
			}
		}
		for _, t := range b.parts {
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

// append writes entries in frames.
func (a *archive) append(entries iter.Seq[archiveEntry]) error {
	var frame []byte
	var written []archiveEntry // of the frame, without their objects' text
	var places []spot
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
			a.note(e, spot{at + places[i].at, places[i].size})
		}
		frame, written, places = frame[:0], written[:0], places[:0]
		return nil
	}
	for e := range entries {
		line := encode(e)
		frame = binary.AppendUvarint(frame, uint64(len(line)))
		places = append(places, spot{int64(len(frame)), uint32(len(line))})
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
				places[k] = spot{p.at + at, p.size}
			}
			frame, keys = frame[:0], keys[:0]
			return err
		}
		for k, p := range a.places {
			frame = binary.AppendUvarint(frame, uint64(p.size))
			places[k] = spot{int64(len(frame)), p.size}
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
