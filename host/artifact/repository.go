package artifact

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"
	registry "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Access says how a registry is reached. The zero Access is anonymous, over
// HTTPS.
type Access struct {
	// Credentials is a file as docker's config.json, of which "auths" is read.
	Credentials string
	// Docker also asks what docker itself would: its own configuration, with its
	// credential helpers, which are programs. For people, not for agents.
	Docker bool
	// PlainHTTP is for registries without TLS.
	PlainHTTP bool
	// Transport replaces the way to the registry; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// source is where manifests and blobs come from.
type source interface {
	// resolve finds what a tag or digest stands for; errdef.ErrNotFound if nothing.
	resolve(ctx context.Context, target string) (ocispec.Descriptor, error)
	// read returns the content, which matches digest and size.
	read(ctx context.Context, d ocispec.Descriptor) ([]byte, error)
}

// repository is a repository of a registry, or a layout.
type repository struct{ oras.ReadOnlyTarget }

func (r repository) resolve(ctx context.Context, target string) (ocispec.Descriptor, error) {
	return r.Resolve(ctx, target)
}

func (r repository) read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	limit := int64(maxManifestSize)
	if d.MediaType == LayerType {
		limit = MaxModuleSize
	}
	if d.Size > limit {
		return nil, fmt.Errorf("%s is %d bytes long; the limit is %d", d.Digest, d.Size, limit)
	}
	return content.FetchAll(ctx, r, d)
}

// openToRead opens a registry's repository or a layout.
func openToRead(ctx context.Context, ref Ref, access Access) (repository, error) {
	if ref.place == layout {
		if _, err := os.Stat(ref.path); err != nil {
			return repository{}, err
		}
		store, err := oci.NewFromFS(ctx, os.DirFS(ref.path))
		return repository{store}, err
	}
	r, err := openRemote(ref, access)
	return repository{r}, err
}

func openToWrite(ctx context.Context, ref Ref, access Access) (oras.Target, error) {
	if ref.place == layout {
		return oci.NewWithContext(ctx, ref.path)
	}
	return openRemote(ref, access)
}

func openRemote(ref Ref, access Access) (*registry.Repository, error) {
	r, err := registry.NewRepository(ref.path)
	if err != nil {
		return nil, err
	}
	store, err := access.store()
	if err != nil {
		return nil, err
	}
	r.PlainHTTP = access.PlainHTTP
	r.Client = &auth.Client{
		Client:     &http.Client{Transport: &retry.Transport{Base: access.Transport, Policy: patience}},
		Header:     http.Header{"User-Agent": {"sluice"}},
		Cache:      auth.NewCache(),
		Credential: credentials.Credential(store),
	}
	return r, nil
}

// patience is how a registry that fails for a moment is asked again: three
// times, over two seconds or so.
func patience() retry.Policy {
	return &retry.GenericPolicy{
		Retryable: retry.DefaultPredicate,
		Backoff:   retry.ExponentialBackoff(250*time.Millisecond, 2, 0.1),
		MinWait:   200 * time.Millisecond, MaxWait: 2 * time.Second, MaxRetry: 3,
	}
}

func (a Access) store() (credentials.Store, error) {
	switch {
	case a.Credentials != "":
		text, err := os.ReadFile(a.Credentials)
		if err != nil {
			return nil, fmt.Errorf("reading the credentials of registries: %w", err)
		}
		store, err := credentials.NewMemoryStoreFromDockerConfig(text)
		if err != nil {
			return nil, fmt.Errorf("credentials %s: not in the form of docker's config.json: %w", a.Credentials, err)
		}
		return store, nil
	case a.Docker:
		return credentials.NewStoreFromDocker(credentials.StoreOptions{})
	}
	return credentials.NewMemoryStore(), nil
}

func isNotFound(err error) bool {
	return errors.Is(err, errdef.ErrNotFound) || errors.Is(err, os.ErrNotExist)
}
