package artifact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// cache is what was fetched before: a file per blob, named by its digest, and a
// file per tag with the descriptor that it stood for. A blob is checked against
// its name whenever it is read; a tag is only a hint, as everything that a tag
// leads to is checked against what is pinned.
type cache struct {
	dir        string
	repository string // HOST/REPOSITORY, which tags belong to
}

// DefaultCacheBytes bounds a cache: sixteen of the largest modules.
const DefaultCacheBytes = 256 << 20

const temporary = ".part"

func (c *cache) blob(d digest.Digest) string { return filepath.Join(c.dir, "blobs", d.Encoded()) }

func (c *cache) tag(target string) string {
	return filepath.Join(c.dir, "tags", digest.FromString(c.repository+":"+target).Encoded())
}

func (c *cache) resolve(_ context.Context, target string) (ocispec.Descriptor, error) {
	if d, err := digest.Parse(target); err == nil {
		content, err := c.content(d, maxManifestSize)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		return newBlob(ocispec.MediaTypeImageManifest, content).Descriptor, nil
	}
	var d ocispec.Descriptor
	text, err := readFile(c.tag(target), maxManifestSize)
	if errors.Is(err, fs.ErrNotExist) {
		return d, errdef.ErrNotFound
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, err
	}
	return d, d.Digest.Validate()
}

func (c *cache) read(_ context.Context, d ocispec.Descriptor) ([]byte, error) {
	return c.content(d.Digest, MaxModuleSize)
}

func (c *cache) content(d digest.Digest, limit int64) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	path := c.blob(d)
	content, err := readFile(path, limit)
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(content) != d {
		// What the disk has spoilt is fetched again.
		return nil, errors.Join(fmt.Errorf("%s in the cache is damaged", d), os.Remove(path))
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // the order in which trim removes; nothing else depends on it
	return content, nil
}

// keeping is a repository of which everything that is read is kept.
type keeping struct {
	repository
	cache *cache
	used  []string
}

func keep(from repository, dir, name string) (*keeping, error) {
	k := &keeping{repository: from, cache: &cache{dir: dir, repository: name}}
	for _, sub := range []string{"blobs", "tags"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("making the cache of modules: %w", err)
		}
	}
	return k, nil
}

func (k *keeping) resolve(ctx context.Context, target string) (ocispec.Descriptor, error) {
	d, err := k.repository.resolve(ctx, target)
	if err != nil || target == d.Digest.String() {
		return d, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return d, err
	}
	return d, k.write(k.cache.tag(target), text)
}

func (k *keeping) read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	content, err := k.repository.read(ctx, d)
	if err != nil {
		return nil, err
	}
	return content, k.write(k.cache.blob(d.Digest), content)
}

// write replaces a file whole or not at all.
func (k *keeping) write(path string, content []byte) error {
	k.used = append(k.used, path)
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+temporary)
	if err != nil {
		return fmt.Errorf("keeping a module: %w", err)
	}
	defer os.Remove(f.Name()) // fails once it has been renamed, as it should
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keeping a module: %w", err)
	}
	return nil
}

// trim removes what was not used for longest, until the rest is within the
// bound, and what a fetch that died has left.
func (k *keeping) trim(limit int64) error {
	if limit == 0 {
		limit = DefaultCacheBytes
	}
	type kept struct {
		path string
		size int64
		used time.Time
	}
	var files []kept
	var sum int64
	err := filepath.WalkDir(k.cache.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // another fetch removed it
			return nil
		case err != nil:
			return err
		case strings.HasSuffix(path, temporary) && time.Since(info.ModTime()) > time.Hour:
			return os.Remove(path)
		}
		files = append(files, kept{path, info.Size(), info.ModTime()})
		sum += info.Size()
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking through the cache of modules: %w", err)
	}
	slices.SortFunc(files, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if sum <= limit {
			break
		}
		if slices.Contains(k.used, f.path) {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("making room in the cache of modules: %w", err)
		}
		sum -= f.size
	}
	return nil
}
