package conflist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// write puts our file into place with the permissions of the primary's.
func (i *Installer) write(text []byte, primary string) error {
	info, err := os.Stat(primary)
	if err != nil {
		return err
	}
	return replace(i.path(), bytes.NewReader(text), info.Mode().Perm())
}

// replace writes a file whole or not at all. On the way it has a name that runtimes do not read, in the same directory.
func replace(path string, content io.Reader, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil //nolint:nilerr // it is in place; only its lasting over a power cut is in doubt
	}
	defer d.Close()
	_ = d.Sync() // the same
	return nil
}

// InstallBinary copies the plugin's program to where runtimes look for it, unless the same is there. A program that runs is
// not disturbed: it is replaced, not overwritten.
func InstallBinary(from, dir string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("read the CNI plugin: %w", err)
	}
	to := filepath.Join(dir, Plugin)
	if have, err := os.ReadFile(to); err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install the CNI plugin: %w", err)
	}
	if err := replace(to, bytes.NewReader(content), 0o755); err != nil {
		return fmt.Errorf("install the CNI plugin: %w", err)
	}
	return nil
}
