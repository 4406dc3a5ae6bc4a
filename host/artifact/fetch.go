package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
)

// Options of Fetch and Pull.
type Options struct {
	Access
	// Digest is that of the module's file, "sha256:...", whatever it comes in.
	Digest string
	// PublicKey, in PEM, must have signed it. Empty: nobody has to.
	PublicKey []byte
	// CacheDir keeps what was fetched. Empty: nothing is kept.
	CacheDir string
	// CacheBytes bounds the cache; what was not used for longest goes first.
	// Default 256 MiB.
	CacheBytes int64
}

// Module is a module that was fetched.
type Module struct {
	Wasm []byte
	// Digest of Wasm, "sha256:...".
	Digest string
	// Ref pins where it came from; the same as was asked for if that is a file.
	Ref Ref
	// Signed says that the public key's signature was verified.
	Signed bool
	// Cached says that nothing but the cache was asked.
	Cached bool
}

// RefusedError says that what is there must not be used. Trying again does not
// help until the reference, the digest, the key or what is in the registry
// changes.
type RefusedError struct {
	Ref    string
	Reason string
}

func (e *RefusedError) Error() string { return e.Ref + ": " + e.Reason }

func refused(ref Ref, format string, args ...any) error {
	return &RefusedError{ref.String(), fmt.Sprintf(format, args...)}
}

// Fetch returns the module that is pinned by the reference's digest or by
// o.Digest, from the cache if it is there. A reference that nothing pins is
// refused, unless it is a file. The error is a *RefusedError or says why the
// module could not be reached.
func Fetch(ctx context.Context, reference string, o Options) (wasm []byte, digest string, err error) {
	ref, err := ParseRef(reference)
	if err != nil {
		return nil, "", err
	}
	if !ref.Pinned() && o.Digest == "" && !ref.IsFile() {
		return nil, "", refused(ref, `it is not pinned, so what it means is for the registry to say: append "@sha256:..." as "sluicectl module push" shows it, or give the digest of the module's file`)
	}
	m, err := Pull(ctx, ref, o)
	return m.Wasm, m.Digest, err
}

// Pull is Fetch for people: it also follows a tag.
func Pull(ctx context.Context, ref Ref, o Options) (Module, error) {
	key, err := parsePublicKey(o.PublicKey)
	if err != nil {
		return Module{}, err
	}
	if o.Digest != "" {
		if d, err := digest.Parse(o.Digest); err != nil || d.Algorithm() != digest.SHA256 {
			return Module{}, fmt.Errorf("digest %q: write sha256: and 64 hexadecimal digits", o.Digest)
		}
	}
	if ref.IsFile() {
		return pullFile(ref, o, key)
	}
	pinned := ref.Pinned() || o.Digest != ""
	if o.CacheDir != "" && pinned {
		if m, err := load(ctx, &cache{dir: o.CacheDir, repository: ref.path}, ref, o, key); err == nil {
			m.Cached = true
			return m, nil
		}
	}
	repository, err := openToRead(ctx, ref, o.Access)
	if err != nil {
		return Module{}, fmt.Errorf("opening %s: %w", ref, err)
	}
	var from source = repository
	var keeper *keeping
	if o.CacheDir != "" && pinned {
		if keeper, err = keep(repository, o.CacheDir, ref.path); err != nil {
			return Module{}, err
		}
		from = keeper
	}
	m, err := load(ctx, from, ref, o, key)
	if err == nil && keeper != nil {
		err = keeper.trim(o.CacheBytes)
	}
	return m, err
}

// load reads a module from one source, and checks all that can be checked.
func load(ctx context.Context, from source, ref Ref, o Options, key *publicKey) (Module, error) {
	d, err := from.resolve(ctx, ref.target())
	if err != nil {
		return Module{}, fmt.Errorf("looking for %s: %w", ref, err)
	}
	if ref.digest != "" && d.Digest != ref.digest {
		return Module{}, refused(ref, "the registry answers with %s", d.Digest)
	}
	text, err := from.read(ctx, d)
	if err != nil {
		return Module{}, fmt.Errorf("reading the manifest of %s: %w", ref, err)
	}
	layer, err := moduleLayer(text)
	if err != nil {
		return Module{}, refused(ref, "%v", err)
	}
	if o.Digest != "" && layer.Digest.String() != o.Digest {
		return Module{}, refused(ref, "its module is %s, pinned is %s: change the digest if that is what you want", layer.Digest, o.Digest)
	}
	if key != nil {
		if err := key.verifyArtifact(ctx, from, ref, d.Digest); err != nil {
			return Module{}, err
		}
	}
	wasm, err := from.read(ctx, layer)
	if err != nil {
		return Module{}, fmt.Errorf("reading the module of %s: %w", ref, err)
	}
	return Module{Wasm: wasm, Digest: layer.Digest.String(), Ref: ref.at(d.Digest), Signed: key != nil}, nil
}

// pullFile reads a plain file; its signature lies beside it.
func pullFile(ref Ref, o Options, key *publicKey) (Module, error) {
	wasm, err := readFile(ref.path, MaxModuleSize)
	if err != nil {
		return Module{}, err
	}
	m := Module{Wasm: wasm, Digest: digest.FromBytes(wasm).String(), Ref: ref, Signed: key != nil}
	if o.Digest != "" && m.Digest != o.Digest {
		return Module{}, refused(ref, "it is %s, pinned is %s: change the digest if that is what you want", m.Digest, o.Digest)
	}
	if key == nil {
		return m, nil
	}
	signature, err := readFile(ref.path+".sig", maxManifestSize)
	if errors.Is(err, os.ErrNotExist) {
		return Module{}, refused(ref, `it is not signed: there is no %s.sig; "sluicectl module sign" makes it`, ref.path)
	}
	if err != nil {
		return Module{}, err
	}
	if !key.verify(wasm, string(signature)) {
		return Module{}, refused(ref, "%s.sig is not the signature of this file by the key %s", ref.path, key.name())
	}
	return m, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK, opening a pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s is %d bytes long; the limit is %d", path, info.Size(), limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
