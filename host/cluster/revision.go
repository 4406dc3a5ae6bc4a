package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// Revision names the content of manifests: the SHA-256, in hexadecimal, of one
// line "NAME\x00HEX\n" per file in the order in which they are read (of a
// directory: of their names), where HEX is the SHA-256 of the file.
func Revision(paths []string) (string, error) {
	roots := readRoots(paths)
	for _, r := range roots {
		if r.err != nil {
			return "", fmt.Errorf("revision of the manifests: %w", r.err)
		}
	}
	return revisionOf(roots), nil
}

func revisionOf(roots []root) string {
	whole := sha256.New()
	for _, r := range roots {
		for _, f := range r.files {
			fmt.Fprintf(whole, "%s\x00%s\n", filepath.Base(f.path), hex.EncodeToString(f.digest[:]))
		}
	}
	return hex.EncodeToString(whole.Sum(nil))
}
