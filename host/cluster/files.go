package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxFileBytes bounds what is read of one file.
const maxFileBytes = 64 << 20

// root is one path that the person named: a file, or a directory whose files
// (not those of directories in it) with the endings .yaml, .yml and .json are
// read, save hidden ones.
type root struct {
	given string
	err   error // the path itself can not be read: files is empty
	files []file
	// skipped are directories below with manifests in them.
	skipped []string
}

// file is one file that was read.
type file struct {
	path   string
	data   []byte // nil once it was parsed
	digest [sha256.Size]byte
	err    error
}

// readRoots reads all files below the paths given. A file that is named twice
// is read once.
func readRoots(paths []string) []root {
	seen := map[string]bool{}
	roots := make([]root, 0, len(paths))
	for _, path := range paths {
		r := root{given: path}
		var names []string
		names, r.skipped, r.err = list(path)
		for _, name := range names {
			absolute, err := filepath.Abs(name)
			if err != nil {
				r.err = err
				break
			}
			if seen[absolute] {
				continue
			}
			seen[absolute] = true
			data, err := readFile(name)
			if errors.Is(err, fs.ErrNotExist) && name != path {
				continue // it went between the two looks, or is a dangling link
			}
			r.files = append(r.files, file{name, data, sha256.Sum256(data), err})
		}
		roots = append(roots, r)
	}
	return roots
}

// list names the files of one path, and the directories in it that a person
// may have meant to be read.
func list(path string) (names, skipped []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir():
			if below, err := os.ReadDir(name); err == nil && slices.ContainsFunc(below, func(e fs.DirEntry) bool { return isManifest(e.Name()) }) {
				skipped = append(skipped, name)
			}
		case isManifest(entry.Name()):
			names = append(names, name)
		}
	}
	return names, skipped, nil
}

func isManifest(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// readFile reads a regular file. It does not wait for a pipe to be written to.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is %s, not a file: move it away", path, describe(info.Mode()))
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("read %s: it has %d bytes and the limit is %d: split it into several files", path, info.Size(), maxFileBytes)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("read %s: it grew beyond the limit of %d bytes while it was read", path, maxFileBytes)
	}
	return data, err
}

func describe(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
