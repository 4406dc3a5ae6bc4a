package cluster

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// watcher asks the kernel for notices about everything that may change what is
// read. It watches directories, never files: editors replace files, and a
// ConfigMap volume replaces the link that its files' links lead through.
type watcher struct {
	paths []string
	inner *fsnotify.Watcher
	// whole are watched directories in which everything concerns us; names
	// are single files, links or directories that do, in other watched ones.
	whole, names map[string]bool
}

func newWatcher(paths []string) (*watcher, error) {
	inner, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("%w (the limits are in /proc/sys/fs/inotify)", err)
	}
	return &watcher{paths: paths, inner: inner}, nil
}

func (w *watcher) close() { w.inner.Close() } //nolint:errcheck // it has only closed descriptors to tell of

func (w *watcher) notices() <-chan fsnotify.Event { return w.inner.Events }
func (w *watcher) errors() <-chan error           { return w.inner.Errors }

func (w *watcher) concerns(e fsnotify.Event) bool {
	return w.whole[filepath.Dir(e.Name)] || w.whole[e.Name] || w.names[e.Name]
}

// refresh watches what the paths and the files read from them lead to now. It
// says whether there was something that was not watched before. What can not be
// watched because it does not exist is left out: the directory above it is
// watched.
func (w *watcher) refresh(roots []root) (added bool, err error) {
	w.whole, w.names = map[string]bool{}, map[string]bool{}
	wanted := map[string]bool{}
	// name watches a path from the directory that it stands in, and returns
	// what it leads to.
	name := func(path string) (real string, ok bool) {
		if parent, ok := realParent(path); ok {
			wanted[parent] = true
			w.names[filepath.Join(parent, filepath.Base(path))] = true
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			return "", false
		}
		real, err = filepath.EvalSymlinks(absolute)
		return real, err == nil
	}
	for _, path := range w.paths {
		real, ok := name(path)
		switch {
		case ok && isDirectory(real):
			wanted[real], w.whole[real] = true, true
		case isLink(path):
			// Any step on the way to the file may be replaced.
			if parent, ok := realParent(path); ok {
				w.whole[parent] = true
			}
		}
	}
	for _, root := range roots {
		for _, file := range root.files {
			if !isLink(file.path) {
				continue
			}
			if real, ok := name(file.path); ok {
				name(real)
			}
		}
	}
	return w.follow(wanted)
}

// realParent is the directory that a path stands in, absolute and without links.
func realParent(path string) (string, bool) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	return parent, err == nil
}

func (w *watcher) follow(wanted map[string]bool) (added bool, err error) {
	watched := map[string]bool{}
	for _, directory := range w.inner.WatchList() {
		watched[directory] = true
		if !wanted[directory] {
			// It may just have gone by itself, which is as well.
			if failure := w.inner.Remove(directory); failure != nil && !errors.Is(failure, fsnotify.ErrNonExistentWatch) {
				err = errors.Join(err, fmt.Errorf("stop watching %s: %w", directory, failure))
			}
		}
	}
	for directory := range wanted {
		// Adding again is no change, unless another directory took the name.
		if failure := w.inner.Add(directory); failure != nil {
			err = errors.Join(err, fmt.Errorf("watch %s: %w", directory, failure))
			continue
		}
		added = added || !watched[directory]
	}
	return added, err
}
