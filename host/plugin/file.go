package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sluice-net/sluice/host/sandbox"
)

// reading is the content of a module's file at one moment, or why there is none.
type reading struct {
	wasm []byte
	err  error
}

const (
	// quiet is how long a directory must have been still before the file is
	// read: a file that is written in place changes many times.
	quiet = 100 * time.Millisecond
	// patience is when it is read though the directory is not still.
	patience = 2 * time.Second
	// retryDirectory is how often a directory that does not exist is looked for:
	// there is nothing that would announce it.
	retryDirectory = time.Second
	// lookAgain is how often the file is looked at without a notice, for file
	// systems that give none and notices that were lost.
	lookAgain = 5 * time.Second
)

// stamp changes when a file does, as far as that shows without reading it.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	inode := uint64(0)
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = s.Ino
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), inode)
}

// watchFile sends the file's content, then again after every change, until ctx
// ends. It watches the directory, so that a file that is replaced by a rename is
// seen as well as one that is written in place. A half-written file is sent like
// any other: it does not verify, and the next write is the next chance.
func watchFile(ctx context.Context, path string, out chan<- reading) {
	for ctx.Err() == nil {
		err := watchDirectory(ctx, path, out)
		if ctx.Err() != nil {
			return
		}
		send(ctx, out, reading{err: fmt.Errorf("watching %s: %w", filepath.Dir(path), err)})
		select {
		case <-time.After(retryDirectory):
		case <-ctx.Done():
		}
	}
}

// watchDirectory watches until the directory goes away.
func watchDirectory(ctx context.Context, path string, out chan<- reading) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	dir := filepath.Dir(path)
	if err := watcher.Add(dir); err != nil {
		return err
	}
	var (
		settle <-chan time.Time
		since  time.Time
		last   = stamp(path) // taken before reading: a change after it is seen
	)
	send(ctx, out, readFile(path))
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-watcher.Errors: // the queue overflowed: something may have been missed
			if err == nil {
				return errors.New("the watch ended")
			}
			settle = time.After(quiet)
		case event, open := <-watcher.Events:
			switch {
			case !open:
				return errors.New("the watch ended")
			case event.Name == dir && event.Has(fsnotify.Remove|fsnotify.Rename):
				return errors.New("the directory is gone")
			case !concerns(event.Name, path):
				continue
			}
			if settle == nil {
				since = time.Now()
			}
			if time.Since(since) < patience {
				settle = time.After(quiet)
			}
		case <-look.C:
			if settle == nil && stamp(path) != last {
				settle = time.After(quiet)
			}
		case <-settle:
			settle = nil
			last = stamp(path)
			send(ctx, out, readFile(path))
		}
	}
}

// concerns says whether a change of name may be a change of the file at path. A
// ConfigMap volume changes its files by renaming a directory link named "..data"
// beside them.
func concerns(name, path string) bool {
	base := filepath.Base(name)
	return base == filepath.Base(path) || base == "..data"
}

func readFile(path string) reading {
	// Without O_NONBLOCK, opening a pipe would wait for a writer.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return reading{err: fmt.Errorf("cannot be read: %w", err)}
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return reading{err: fmt.Errorf("cannot be read: %w", err)}
	case !info.Mode().IsRegular():
		return reading{err: fmt.Errorf("cannot be read: %s is not a file", path)}
	case info.Size() > sandbox.MaxModuleSize:
		return reading{err: tooLarge(info.Size())}
	}
	wasm, err := io.ReadAll(io.LimitReader(file, sandbox.MaxModuleSize+1))
	if err != nil {
		return reading{err: fmt.Errorf("cannot be read: %w", err)}
	}
	return reading{wasm: wasm}
}

func send(ctx context.Context, out chan<- reading, r reading) {
	select {
	case out <- r:
	case <-ctx.Done():
	}
}
