package artifact

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sluice-net/sluice/abi/binary"
)

// The media types and annotations of a module (tag-runtime.cncf.io, "Wasm OCI
// Artifact layout").
const (
	ConfigType = "application/vnd.wasm.config.v0+json"
	LayerType  = "application/wasm"
	// ManifestAnnotation carries the module's own manifest, so that one can see
	// what a module asks for without its code.
	ManifestAnnotation = "net.sluice.module.manifest"
)

// MaxModuleSize is the largest module file that is moved, in bytes
// (abi/README.md, limits).
const MaxModuleSize = 16 << 20

// maxManifestSize bounds manifests, configs and signatures.
const maxManifestSize = 1 << 20

// config is that of the layout: "architecture" is always wasm; "os" says which
// system interface the module may import.
type config struct {
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	LayerDigests []digest.Digest `json:"layerDigests"`
}

// blob is content with its descriptor.
type blob struct {
	ocispec.Descriptor
	content []byte
}

func newBlob(mediaType string, content []byte) blob {
	return blob{ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}, content}
}

// pack makes the artifact of a module: its blobs, the manifest last. They depend
// on the file alone.
func pack(wasm []byte) ([]blob, error) {
	if len(wasm) > MaxModuleSize {
		return nil, fmt.Errorf("the module is %d bytes long; the limit is %d", len(wasm), MaxModuleSize)
	}
	found, err := binary.Inspect(wasm)
	if err != nil {
		return nil, fmt.Errorf("it is no WebAssembly module: %w", err)
	}
	if found.Manifest == nil {
		return nil, errors.New(`it has no manifest: build it with "sluicectl module build"`)
	}
	m, err := binary.ParseManifest(found.Manifest)
	if err != nil {
		return nil, err
	}
	layer := newBlob(LayerType, wasm)
	text, err := json.Marshal(config{Architecture: "wasm", OS: "wasip1", LayerDigests: []digest.Digest{layer.Digest}})
	if err != nil {
		return nil, err
	}
	conf := newBlob(ConfigType, text)
	text, err = json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: conf.Descriptor, Layers: []ocispec.Descriptor{layer.Descriptor},
		Annotations: map[string]string{
			ocispec.AnnotationTitle: m.Name, ocispec.AnnotationVersion: m.Version, ManifestAnnotation: string(found.Manifest),
		},
	})
	if err != nil {
		return nil, err
	}
	return []blob{layer, conf, newBlob(ocispec.MediaTypeImageManifest, text)}, nil
}

// moduleLayer finds the module in an artifact's manifest.
func moduleLayer(text []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("its manifest is not JSON: %w", err)
	}
	switch {
	case m.Config.MediaType != ConfigType:
		return ocispec.Descriptor{}, fmt.Errorf("it is no Wasm module but has a config of type %q; a module's is %s", m.Config.MediaType, ConfigType)
	case len(m.Layers) != 1 || m.Layers[0].MediaType != LayerType:
		return ocispec.Descriptor{}, fmt.Errorf("it has %d layers; a module has one, of type %s", len(m.Layers), LayerType)
	case m.Layers[0].Size > MaxModuleSize:
		return ocispec.Descriptor{}, fmt.Errorf("its module is %d bytes long; the limit is %d", m.Layers[0].Size, MaxModuleSize)
	}
	return m.Layers[0], nil
}
