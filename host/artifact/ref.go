package artifact

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"
)

// place is where a Ref points to.
type place int

const (
	file place = iota
	layout
	remote
)

// Ref names a module. Its forms are
//
//	modules/web.wasm                               a file: ends in .wasm, or begins with "/" or "."
//	oci-layout:DIR[:TAG][@sha256:HEX]              an OCI image layout in a folder
//	[oci://]HOST[:PORT]/REPOSITORY[:TAG][@sha256:HEX]  a registry
//
// HEX is the digest of the artifact's manifest, as with container images.
type Ref struct {
	place  place
	path   string // of the file or layout; HOST/REPOSITORY for a registry
	tag    string
	digest digest.Digest
}

const layoutPrefix = "oci-layout:"

// ParseRef reads a Ref. The error says what is wrong with the text.
func ParseRef(text string) (Ref, error) {
	rest, isLayout := strings.CutPrefix(text, layoutPrefix)
	rest, isRemote := strings.CutPrefix(rest, "oci://")
	switch {
	case text == "":
		return Ref{}, fmt.Errorf("the reference to a module is empty: give a file, %sDIR or HOST/REPOSITORY", layoutPrefix)
	case !isLayout && !isRemote && (strings.HasSuffix(text, ".wasm") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".")):
		return Ref{place: file, path: text}, nil
	}
	r := Ref{place: remote}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		r.digest = digest.Digest(rest[i+1:])
		if err := r.digest.Validate(); err != nil || r.digest.Algorithm() != digest.SHA256 {
			return Ref{}, fmt.Errorf("reference %q: %q is no digest: write sha256: and 64 hexadecimal digits", text, rest[i+1:])
		}
		rest = rest[:i]
	}
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "/") {
		rest, r.tag = rest[:i], rest[i+1:]
	}
	r.path = rest
	if isLayout {
		r.place, r.path = layout, filepath.Clean(rest)
		return r, nil
	}
	parsed, err := registry.ParseReference(r.String())
	if err != nil {
		return Ref{}, fmt.Errorf("reference %q is no HOST/REPOSITORY[:TAG][@sha256:HEX], and a file must end in .wasm or begin with ./ or /: %w", text, err)
	}
	r.path = parsed.Registry + "/" + parsed.Repository
	return r, nil
}

// IsFile says that it names a plain file.
func (r Ref) IsFile() bool { return r.place == file }

// Name is the path of the file or layout, or HOST/REPOSITORY.
func (r Ref) Name() string { return r.path }

// Pinned says that it names one artifact for ever.
func (r Ref) Pinned() bool { return r.digest != "" }

// String is the reference as a person writes it, without "oci://".
func (r Ref) String() string {
	text := r.path
	if r.place == layout {
		text = layoutPrefix + text
	}
	if r.tag != "" {
		text += ":" + r.tag
	}
	if r.digest != "" {
		text += "@" + r.digest.String()
	}
	return text
}

// target is what is asked for in the repository: the digest before the tag.
func (r Ref) target() string {
	switch {
	case r.digest != "":
		return r.digest.String()
	case r.tag != "":
		return r.tag
	}
	return "latest"
}

// at is the same repository at another digest, for people to pin.
func (r Ref) at(d digest.Digest) Ref {
	r.digest = d
	return r
}
