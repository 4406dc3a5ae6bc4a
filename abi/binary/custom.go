package binary

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/sluice-net/sluice/abi"
)

// WithManifest gives a copy of a module with this manifest, in JSON, and no
// other. It checks both: what it gives can be loaded.
func WithManifest(wasm, manifest []byte) ([]byte, error) {
	if _, err := ParseManifest(manifest); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, manifest); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	bare, err := WithoutCustomSection(wasm, abi.ManifestSection)
	if err != nil {
		return nil, err
	}
	b, err := Inspect(bare)
	if err != nil {
		return nil, err
	}
	if !b.HasExport(abi.Marker, Function) {
		return nil, fmt.Errorf("wasm: does not export the function %s, so it is no module of this ABI", abi.Marker)
	}
	return AppendCustomSection(bare, abi.ManifestSection, compact.Bytes())
}

// CustomSection gives the content of the first custom section of that name, a
// part of wasm, and whether there is one.
func CustomSection(wasm []byte, name string) (content []byte, found bool, err error) {
	err = sections(wasm, func(s section) error {
		if s.id == sectionCustom && s.name == name && !found {
			content, found = s.body.b[s.body.pos:], true
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return content, found, nil
}

// AppendCustomSection gives a copy of wasm with one more custom section at its
// end. It does not look for sections of the same name: see WithoutCustomSection.
func AppendCustomSection(wasm []byte, name string, content []byte) ([]byte, error) {
	if err := sections(wasm, func(section) error { return nil }); err != nil {
		return nil, err
	}
	nameLength := binary.AppendUvarint(nil, uint64(len(name)))
	size := len(nameLength) + len(name) + len(content)
	out := make([]byte, 0, len(wasm)+size+6)
	out = append(out, wasm...)
	out = append(out, sectionCustom)
	out = binary.AppendUvarint(out, uint64(size))
	out = append(out, nameLength...)
	out = append(out, name...)
	return append(out, content...), nil
}

// WithoutCustomSection gives a copy of wasm without any custom section of that
// name.
func WithoutCustomSection(wasm []byte, name string) ([]byte, error) {
	out := make([]byte, 0, len(wasm))
	kept := 0
	err := sections(wasm, func(s section) error {
		if s.id == sectionCustom && s.name == name {
			out = append(out, wasm[kept:s.start]...)
			kept = s.end
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(out, wasm[kept:]...), nil
}
