package keep

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// magic begins every file: a name and the version of the form.
const magic = "sluice-keep-1\n"

// overhead of a file: the magic and the SHA-256 of what follows.
const overhead = len(magic) + sha256.Size

// ErrCorrupt says that a file is not what was written.
var ErrCorrupt = errors.New("is damaged: its checksum does not fit")

// Write replaces the file at path by content. The directory is made if need be.
func Write(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("keep %s: %w", path, err), f.Close(), os.Remove(f.Name()))
		}
	}()
	sum := sha256.Sum256(content)
	if _, err := io.Copy(f, io.MultiReader(bytes.NewReader([]byte(magic)), bytes.NewReader(sum[:]), bytes.NewReader(content))); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read returns what was written, at most limit bytes of it. The error satisfies
// errors.Is with fs.ErrNotExist if there is no such file, and with ErrCorrupt if it is
// not what was written.
func Read(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, int64(overhead+limit+1)))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case len(all) > overhead+limit:
		return nil, fmt.Errorf("%s: is larger than %d bytes: %w", path, limit, ErrCorrupt)
	case len(all) < overhead || string(all[:len(magic)]) != magic:
		return nil, fmt.Errorf("%s: %w", path, ErrCorrupt)
	}
	content := all[overhead:]
	if sum := sha256.Sum256(content); !bytes.Equal(sum[:], all[len(magic):overhead]) {
		return nil, fmt.Errorf("%s: %w", path, ErrCorrupt)
	}
	return content, nil
}

// Sweep removes what a Write that was interrupted left in a directory.
func Sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*")) // the pattern is a good one
	for _, path := range left {
		_ = os.Remove(path) // it is tried again the next time
	}
}
