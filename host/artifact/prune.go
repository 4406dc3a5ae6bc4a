package artifact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pruneAge is how long what is in a cache is left alone after it was used last: it
// may be a part of what is being fetched.
const pruneAge = time.Hour

// Prune removes from a cache all but the modules that are named, each by the digest
// of its file or of the artifact that holds it ("sha256:..."), with their
// signatures. What was used within the last hour stays too. A cache that was never
// made is empty.
func Prune(dir string, keep []string) error {
	c := &cache{dir: dir}
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking through the cache of modules: %w", err)
	}
	k := kept{map[digest.Digest]bool{}, map[digest.Digest]ocispec.Manifest{}}
	for _, d := range keep {
		k.digests[digest.Digest(d)] = true
	}
	for _, b := range blobs {
		d := digest.NewDigestFromEncoded(digest.SHA256, b.Name())
		if text, err := readFile(c.blob(d), maxManifestSize); err == nil {
			var m ocispec.Manifest
			if json.Unmarshal(text, &m) == nil && m.MediaType == ocispec.MediaTypeImageManifest {
				k.manifests[d] = m
			}
		}
	}
	k.artifacts()
	k.signatures(c)

	for _, b := range blobs {
		if d := digest.NewDigestFromEncoded(digest.SHA256, b.Name()); !k.digests[d] {
			err = errors.Join(err, removeUnused(c.blob(d)))
		}
	}
	tags, listing := os.ReadDir(filepath.Join(dir, "tags"))
	err = errors.Join(err, listing)
	for _, t := range tags {
		path := filepath.Join(dir, "tags", t.Name())
		var d ocispec.Descriptor
		if text, reading := readFile(path, maxManifestSize); reading != nil || json.Unmarshal(text, &d) != nil || !k.digests[d.Digest] {
			err = errors.Join(err, removeUnused(path))
		}
	}
	if err != nil {
		return fmt.Errorf("removing modules that nobody uses from their cache: %w", err)
	}
	return nil
}

// kept is what stays, and all manifests that there are.
type kept struct {
	digests   map[digest.Digest]bool
	manifests map[digest.Digest]ocispec.Manifest
}

func (k kept) add(d digest.Digest, m ocispec.Manifest) {
	k.digests[d], k.digests[m.Config.Digest] = true, true
	for _, layer := range m.Layers {
		k.digests[layer.Digest] = true
	}
}

// artifacts adds those that are named, or whose module is.
func (k kept) artifacts() {
	for d, m := range k.manifests {
		named := k.digests[d]
		for _, layer := range m.Layers {
			named = named || k.digests[layer.Digest]
		}
		if named {
			k.add(d, m)
		}
	}
}

// signatures adds those of what is kept.
func (k kept) signatures(c *cache) {
	for d, m := range k.manifests {
		for _, layer := range m.Layers {
			if layer.MediaType != payloadType {
				continue
			}
			var p payload
			text, err := readFile(c.blob(layer.Digest), maxManifestSize)
			if err == nil && json.Unmarshal(text, &p) == nil && k.digests[p.Critical.Image.DockerManifestDigest] {
				k.add(d, m)
			}
		}
	}
}

func removeUnused(path string) error {
	info, err := os.Stat(path)
	if err == nil && time.Since(info.ModTime()) > pruneAge {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) { // a fetch has made room
		return nil
	}
	return err
}
