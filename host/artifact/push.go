package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/errdef"
)

// Pushed is what was pushed.
type Pushed struct {
	// Ref pins the artifact by its digest.
	Ref Ref
	// Digest of the module's file, "sha256:...": what an agent's status shows.
	Digest string
}

// Push puts a module into a registry or a layout, under the tag of ref if there
// is one. Pushing the same file again changes nothing.
func Push(ctx context.Context, wasm []byte, ref Ref, access Access) (Pushed, error) {
	switch {
	case ref.place == file:
		return Pushed{}, fmt.Errorf("%s is a file: push to HOST/REPOSITORY[:TAG] or %sDIR[:TAG]", ref, layoutPrefix)
	case ref.digest != "":
		return Pushed{}, fmt.Errorf("%s names a digest, which follows from the file: leave it out", ref)
	}
	blobs, err := pack(wasm)
	if err != nil {
		return Pushed{}, err
	}
	target, err := openToWrite(ctx, ref, access)
	if err != nil {
		return Pushed{}, fmt.Errorf("opening %s: %w", ref, err)
	}
	manifest, err := put(ctx, target, blobs, ref.tag)
	if err != nil {
		return Pushed{}, fmt.Errorf("pushing to %s: %w", ref, err)
	}
	return Pushed{Ref: ref.at(manifest.Digest), Digest: blobs[0].Digest.String()}, nil
}

// put pushes blobs, the manifest last, and tags that one.
func put(ctx context.Context, target oras.Target, blobs []blob, tag string) (blob, error) {
	for _, b := range blobs {
		there, err := target.Exists(ctx, b.Descriptor)
		if err != nil {
			return b, err
		}
		if there {
			continue
		}
		if err := target.Push(ctx, b.Descriptor, bytes.NewReader(b.content)); err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
			return b, err
		}
	}
	manifest := blobs[len(blobs)-1]
	if tag == "" {
		return manifest, nil
	}
	return manifest, target.Tag(ctx, manifest.Descriptor, tag)
}
