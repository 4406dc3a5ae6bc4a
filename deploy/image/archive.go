package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "crypto/sha256" // which go-digest finds by its name
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is what to make an image of.
type Image struct {
	// Names under which an import lists it, such as "docker.io/library/busybox:1".
	Names      []string
	Entrypoint []string
	Command    []string
	User       string // "uid:gid"; empty: root
	Files      []File
}

// made is the time of everything in an image, which must not depend on the clock.
func made() time.Time { return time.Unix(0, 0).UTC() }

// Write writes the archive. The file appears whole or not at all.
func (i Image) Write(path string) (err error) {
	file, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(fmt.Errorf("image %s: %w", path, err), os.Remove(file.Name()))
			return
		}
		err = os.Rename(file.Name(), path)
	}()
	return i.write(file)
}

func (i Image) write(to io.Writer) error {
	layer, err := i.layer()
	if err != nil {
		return err
	}
	a := archive{tar: tar.NewWriter(to)}
	compressed, err := compress(layer)
	if err != nil {
		return err
	}
	layerBlob := a.blob(v1.MediaTypeImageLayerGzip, compressed)
	created := made()
	config := a.json(v1.MediaTypeImageConfig, v1.Image{
		Created: &created, Platform: platform(),
		Config: v1.ImageConfig{User: i.User, Entrypoint: i.Entrypoint, Cmd: i.Command, WorkingDir: "/", Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer)}},
	})
	manifest := a.json(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{layerBlob},
	})
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for _, name := range i.Names {
		named := manifest
		p := platform()
		named.Platform = &p
		// containerd takes the name from the first, other tools a tag from the second.
		named.Annotations = map[string]string{"io.containerd.image.name": name, v1.AnnotationRefName: name}
		index.Manifests = append(index.Manifests, named)
	}
	a.file(v1.ImageIndexFile, marshal(&a, index))
	a.file(v1.ImageLayoutFile, marshal(&a, v1.ImageLayout{Version: v1.ImageLayoutVersion}))
	return errors.Join(a.err, a.tar.Close())
}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = zip.Write(data)
	err = errors.Join(err, zip.Close())
	return out.Bytes(), err
}

// archive is an image layout in a tar file (OCI image specification, "Image Layout").
// The first error stays.
type archive struct {
	tar *tar.Writer
	err error
}

func (a *archive) file(name string, content []byte) {
	if a.err != nil {
		return
	}
	a.err = a.tar.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, ModTime: made()})
	if a.err == nil {
		_, a.err = a.tar.Write(content)
	}
}

func (a *archive) blob(mediaType string, content []byte) v1.Descriptor {
	d := digest.FromBytes(content)
	a.file("blobs/"+d.Algorithm().String()+"/"+d.Encoded(), content)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

func (a *archive) json(mediaType string, value any) v1.Descriptor {
	return a.blob(mediaType, marshal(a, value))
}

func marshal(a *archive, value any) []byte {
	text, err := json.Marshal(value)
	a.err = errors.Join(a.err, err)
	return text
}
