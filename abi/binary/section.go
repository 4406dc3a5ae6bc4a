package binary

import "fmt"

// Section ids of WebAssembly core 2.0.
const (
	sectionCustom    = 0
	sectionImport    = 2
	sectionExport    = 7
	sectionCode      = 10
	sectionDataCount = 12
)

// place gives the position of a section in the order that the specification
// demands (core 2.0, 5.5.16: the data count comes before the code); 0 is a
// section that does not exist.
func place(id byte) int {
	switch {
	case id == sectionDataCount:
		return 2*sectionCode - 1
	case id >= 1 && id < sectionDataCount:
		return 2 * int(id)
	}
	return 0
}

// section is one section of a binary.
type section struct {
	id    byte
	start int // where its id stands in the file
	end   int
	name  string // of a custom section
	body  *reader
}

// sections hands every section to yield, and checks the frame: magic, version,
// order, lengths.
func sections(wasm []byte, yield func(section) error) error {
	const magic = "\x00asm"
	r := &reader{b: wasm}
	switch {
	case len(wasm) < 8 || string(wasm[:4]) != magic:
		return r.fail(0, "this is no WebAssembly binary: it does not begin with \\0asm and a version")
	case string(wasm[4:8]) == "\x0d\x00\x01\x00":
		return r.fail(4, "this is a WebAssembly component; a module must be a core module")
	case string(wasm[4:8]) != "\x01\x00\x00\x00":
		return r.fail(4, "version is %x, must be 01000000", wasm[4:8])
	}
	r.pos = 8
	last := 0
	for r.more() {
		s := section{start: r.pos}
		var err error
		if s.id, err = r.byte("section id"); err != nil {
			return err
		}
		what := fmt.Sprintf("section %d", s.id)
		size, err := r.u32("length of " + what)
		if err != nil {
			return err
		}
		if s.body, err = r.part(size, what); err != nil {
			return err
		}
		s.end = r.pos
		if s.id == sectionCustom {
			if s.name, err = s.body.name("name of a custom section"); err != nil {
				return err
			}
		} else {
			at := place(s.id)
			if at == 0 {
				return r.fail(s.start, "section %d does not exist in WebAssembly 2.0", s.id)
			}
			if at <= last {
				return r.fail(s.start, "section %d comes twice or too late", s.id)
			}
			last = at
		}
		if err := yield(s); err != nil {
			return err
		}
	}
	return nil
}
