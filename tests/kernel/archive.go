package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// archive writes a cpio archive in the format that the kernel unpacks as its
// first file system ("newc"; Linux, Documentation/driver-api/early-userspace).
type archive struct {
	to    io.Writer
	inode int
	dirs  map[string]bool
}

func newArchive(to io.Writer) *archive { return &archive{to: to, dirs: map[string]bool{".": true}} }

// The file types of an archive, as in stat(2).
const (
	typeDirectory = 0o040000
	typeFile      = 0o100000
)

func (a *archive) directories(names ...string) error {
	for _, name := range names {
		if err := a.directory(name); err != nil {
			return err
		}
	}
	return nil
}

// directory adds a directory and those around it, once.
func (a *archive) directory(name string) error {
	if a.dirs[name] {
		return nil
	}
	if err := a.directory(path.Dir(name)); err != nil {
		return err
	}
	a.dirs[name] = true
	return a.entry(name, typeDirectory|0o755, nil)
}

func (a *archive) file(name string, content []byte, mode os.FileMode) error {
	if err := a.directory(path.Dir(name)); err != nil {
		return err
	}
	return a.entry(name, typeFile|uint32(mode), content)
}

func (a *archive) copy(name, from string, mode os.FileMode) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return a.file(name, content, mode)
}

func (a *archive) close() error { return a.entry("TRAILER!!!", 0, nil) }

// entry writes a header of fourteen hexadecimal numbers, the name and the
// content, each filled up to a multiple of four bytes.
func (a *archive) entry(name string, mode uint32, content []byte) error {
	a.inode++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	named := header + name + "\x00"
	for _, part := range []string{named + padding(len(named)), string(content) + padding(len(content))} {
		if _, err := io.WriteString(a.to, part); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

func padding(size int) string { return strings.Repeat("\x00", -size&3) }
