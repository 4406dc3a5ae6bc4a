package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/plugin"
)

// DefaultModuleCache is where modules from registries are kept.
const DefaultModuleCache = "/var/lib/sluice/modules"

// complete checks a source and fills in its defaults. The error begins with the
// rest of the field's name.
func (s *ModuleSource) complete() error {
	given := 0
	for _, field := range []string{s.Builtin, s.File, s.OCI} {
		if field != "" {
			given++
		}
	}
	if given != 1 {
		return errors.New(" must have one of builtin, file and oci")
	}
	if s.OCI == "" {
		if s.PublicKey+s.PublicKeyFile+s.Credentials+s.CacheDir != "" || s.PlainHTTP {
			return errors.New(": publicKey, publicKeyFile, credentials, plainHTTP and cacheDir go with oci only; a file is pinned by digest")
		}
		return nil
	}
	ref, err := artifact.ParseRef(s.OCI)
	switch {
	case err != nil:
		return fmt.Errorf(".oci: %w", err)
	case ref.IsFile():
		return fmt.Errorf(".oci: %s is a file: write it as source.file", s.OCI)
	case !ref.Pinned() && s.Digest == "":
		return fmt.Errorf(`.oci: %s is not pinned: append "@sha256:...", as "sluicectl module push" shows it, or set source.digest`, s.OCI)
	case s.PublicKey != "" && s.PublicKeyFile != "":
		return errors.New(" has both publicKey and publicKeyFile: keep one of them")
	}
	if s.CacheDir == "" {
		s.CacheDir = DefaultModuleCache
	}
	return nil
}

// fetch gets the module of a source from a registry or from its cache.
func (s ModuleSource) fetch() plugin.Fetch {
	return func(ctx context.Context) ([]byte, error) {
		o := artifact.Options{
			Access: artifact.Access{Credentials: s.Credentials, PlainHTTP: s.PlainHTTP},
			Digest: s.Digest, PublicKey: []byte(s.PublicKey), CacheDir: s.CacheDir,
		}
		if s.PublicKeyFile != "" {
			key, err := os.ReadFile(s.PublicKeyFile)
			if err != nil {
				return nil, fmt.Errorf("source.publicKeyFile: %w", err)
			}
			// An empty file must not mean that anybody may sign.
			if o.PublicKey = key; len(key) == 0 {
				return nil, fmt.Errorf("source.publicKeyFile: %s is empty", s.PublicKeyFile)
			}
		}
		wasm, _, err := artifact.Fetch(ctx, s.OCI, o)
		return wasm, err
	}
}

// named are the resources that a grant names; "*" names none.
func named(resources []string) []string {
	return slices.DeleteFunc(slices.Clone(resources), func(r string) bool { return r == "*" })
}
