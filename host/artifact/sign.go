package artifact

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What cosign writes (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md).
const (
	payloadType         = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	payloadKind         = "cosign container image signature"
)

// payload is the simple signing payload (containers/image, signature(5)): what
// is signed.
type payload struct {
	Critical struct {
		Identity struct {
			DockerReference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			DockerManifestDigest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

func signatureTag(d digest.Digest) string { return "sha256-" + d.Encoded() + ".sig" }

// Sign signs what ref stands for now, and returns it pinned. In a registry or a
// layout the signature is added to those that are there; beside a file it is
// FILE.sig, as "cosign sign-blob" writes it.
func Sign(ctx context.Context, ref Ref, key *PrivateKey, access Access) (Ref, error) {
	if ref.IsFile() {
		return ref, signFile(ref.path, key)
	}
	if ref.place == layout {
		if _, err := os.Stat(ref.path); err != nil { // opening it would make it
			return ref, fmt.Errorf("opening %s: %w", ref, err)
		}
	}
	target, err := openToWrite(ctx, ref, access)
	if err != nil {
		return ref, fmt.Errorf("opening %s: %w", ref, err)
	}
	from := repository{target}
	d, err := from.resolve(ctx, ref.target())
	if err != nil {
		return ref, fmt.Errorf("looking for %s: %w", ref, err)
	}
	ref = ref.at(d.Digest)
	signatures, err := signaturesOf(ctx, from, d.Digest)
	if err != nil && !isNotFound(err) {
		return ref, fmt.Errorf("reading the signatures of %s: %w", ref, err)
	}
	public := &publicKey{&key.key.PublicKey}
	for _, s := range signatures {
		if public.verify(s.content, s.Annotations[signatureAnnotation]) && s.says(d.Digest) {
			return ref, nil // signed already by this key
		}
	}
	var p payload
	p.Critical.Identity.DockerReference = ref.path
	p.Critical.Image.DockerManifestDigest = d.Digest
	p.Critical.Type = payloadKind
	text, err := json.Marshal(p)
	if err != nil {
		return ref, err
	}
	signature, err := key.sign(text)
	if err != nil {
		return ref, err
	}
	layer := newBlob(payloadType, text)
	layer.Annotations = map[string]string{signatureAnnotation: signature}
	blobs, err := packSignatures(append(signatures, signed{layer}))
	if err != nil {
		return ref, err
	}
	if _, err := put(ctx, target, blobs, signatureTag(d.Digest)); err != nil {
		return ref, fmt.Errorf("adding a signature to %s: %w", ref, err)
	}
	return ref, nil
}

// signed is a payload with its signature.
type signed struct{ blob }

func (s signed) says(d digest.Digest) bool {
	var p payload
	return json.Unmarshal(s.content, &p) == nil && p.Critical.Type == payloadKind && p.Critical.Image.DockerManifestDigest == d
}

// packSignatures makes the image that holds signatures: a layer for each.
func packSignatures(signatures []signed) ([]blob, error) {
	image := ocispec.Image{Platform: ocispec.Platform{}, RootFS: ocispec.RootFS{Type: "layers"}}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	var blobs []blob
	for _, s := range signatures {
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, s.Digest)
		m.Layers = append(m.Layers, s.Descriptor)
		plain := s.blob
		plain.Annotations = nil
		blobs = append(blobs, plain)
	}
	text, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	config := newBlob(ocispec.MediaTypeImageConfig, text)
	m.Config = config.Descriptor
	if text, err = json.Marshal(m); err != nil {
		return nil, err
	}
	return append(blobs, config, newBlob(ocispec.MediaTypeImageManifest, text)), nil
}

// maxSignatures bounds how many are looked at.
const maxSignatures = 64

// signaturesOf reads the signatures of an artifact.
func signaturesOf(ctx context.Context, from source, of digest.Digest) ([]signed, error) {
	d, err := from.resolve(ctx, signatureTag(of))
	if err != nil {
		return nil, err
	}
	text, err := from.read(ctx, d)
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if len(m.Layers) > maxSignatures {
		return nil, fmt.Errorf("there are %d signatures; at most %d are looked at", len(m.Layers), maxSignatures)
	}
	var list []signed
	for _, layer := range m.Layers {
		if layer.MediaType != payloadType {
			continue
		}
		text, err := from.read(ctx, layer)
		if err != nil {
			return nil, err
		}
		list = append(list, signed{blob{layer, text}})
	}
	return list, nil
}

// verifyArtifact says whether this key has signed the artifact.
func (p *publicKey) verifyArtifact(ctx context.Context, from source, ref Ref, d digest.Digest) error {
	signatures, err := signaturesOf(ctx, from, d)
	switch {
	case isNotFound(err):
		return refused(ref, `it is not signed: "sluicectl module sign" or "cosign sign --key" does it`)
	case err != nil:
		return fmt.Errorf("reading the signatures of %s: %w", ref, err)
	}
	good := func(s signed) bool { return s.says(d) && p.verify(s.content, s.Annotations[signatureAnnotation]) }
	if !slices.ContainsFunc(signatures, good) {
		return refused(ref, "it has %d signatures, none of them for this artifact by the key %s", len(signatures), p.name())
	}
	return nil
}

func signFile(path string, key *PrivateKey) error {
	wasm, err := readFile(path, MaxModuleSize)
	if err != nil {
		return err
	}
	signature, err := key.sign(wasm)
	if err != nil {
		return err
	}
	return os.WriteFile(path+".sig", []byte(signature+"\n"), 0o644)
}
