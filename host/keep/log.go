package keep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Log is a file that grows by frames. A frame is there whole or not at all: what an
// interrupted Append left at the end is dropped when the log is opened. A Log
// belongs to one goroutine.
type Log struct {
	path   string
	file   *os.File
	size   int64
	synced time.Time
}

const (
	logMagic = "sluice-log-1\n"
	// frameHeader is the length of the content, its checksum, and the checksum of
	// these two; each in 4 bytes, big-endian.
	frameHeader = 12
	// MaxFrame bounds one frame.
	MaxFrame = 64 << 20
	// syncEvery is how much may be lost when the machine loses power.
	syncEvery = 5 * time.Second
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// OpenLog reads a log, frame by frame with the place where each one's content
// begins, and returns it for appending. The error satisfies errors.Is with
// fs.ErrNotExist if there is none, and with ErrCorrupt if it is not what was written;
// then what was read of it must not be used.
func OpenLog(path string, each func(at int64, content []byte) error) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	l := &Log{path: path, file: f}
	if err := l.read(each); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return l, nil
}

func (l *Log) read(each func(int64, []byte) error) error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, len(logMagic))
	if _, err := io.ReadFull(l.file, head); err != nil || string(head) != logMagic {
		return ErrCorrupt
	}
	l.size = int64(len(logMagic))
	header := make([]byte, frameHeader)
	for l.size < info.Size() {
		if info.Size()-l.size < frameHeader {
			break // interrupted
		}
		if _, err := l.file.ReadAt(header, l.size); err != nil {
			return err
		}
		length := int64(binary.BigEndian.Uint32(header))
		if checksum(header[:8]) != binary.BigEndian.Uint32(header[8:]) || length > MaxFrame {
			return ErrCorrupt
		}
		at := l.size + frameHeader
		if at+length > info.Size() {
			break // interrupted
		}
		content := make([]byte, length)
		if _, err := l.file.ReadAt(content, at); err != nil {
			return err
		}
		if checksum(content) != binary.BigEndian.Uint32(header[4:]) {
			return ErrCorrupt
		}
		if err := each(at, content); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		l.size = at + length
	}
	return l.file.Truncate(l.size)
}

// Append adds a frame and returns where its content begins.
func (l *Log) Append(content []byte) (at int64, err error) {
	if len(content) > MaxFrame {
		return 0, fmt.Errorf("%s: a frame has %d bytes; the limit is %d", l.path, len(content), MaxFrame)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	header = binary.BigEndian.AppendUint32(header, checksum(content))
	header = binary.BigEndian.AppendUint32(header, checksum(header))
	if _, err := l.file.WriteAt(append(header, content...), l.size); err != nil {
		return 0, errors.Join(fmt.Errorf("append to %s: %w", l.path, err), l.file.Truncate(l.size))
	}
	at = l.size + frameHeader
	l.size = at + int64(len(content))
	if now := time.Now(); now.Sub(l.synced) > syncEvery {
		l.synced = now
		return at, l.file.Sync()
	}
	return at, nil
}

// ReadAt implements io.ReaderAt on what was appended.
func (l *Log) ReadAt(b []byte, at int64) (int, error) { return l.file.ReadAt(b, at) }

// Size of the file.
func (l *Log) Size() int64 { return l.size }

// Close closes the file.
func (l *Log) Close() error { return errors.Join(l.file.Sync(), l.file.Close()) }

// RewriteLog makes a log of what fill appends, and puts it in the place of the one at
// path, if any, once all of it is on disk.
func RewriteLog(path string, fill func(*Log) error) (l *Log, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	l = &Log{path: path, file: f, size: int64(len(logMagic)), synced: time.Now()}
	steps := []func() error{
		func() error { _, err := f.WriteString(logMagic); return err },
		func() error { return fill(l) },
		f.Sync,
		func() error { return os.Rename(f.Name(), path) },
		func() error { return syncDir(dir) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close(), os.Remove(f.Name()))
		}
	}
	return l, nil
}
