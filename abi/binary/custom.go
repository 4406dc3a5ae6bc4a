package binary

import "encoding/binary"

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
