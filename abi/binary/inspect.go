package binary

import "github.com/sluice-net/sluice/abi"

// Kind is what is imported or exported.
type Kind byte

// The kinds of WebAssembly core 2.0.
const (
	Function Kind = 0
	Table    Kind = 1
	Memory   Kind = 2
	Global   Kind = 3
)

func (k Kind) String() string {
	switch k {
	case Function:
		return "function"
	case Table:
		return "table"
	case Memory:
		return "memory"
	case Global:
		return "global"
	}
	return "unknown kind"
}

// Import is something that the module wants.
type Import struct {
	Module, Name string
	Kind         Kind
}

// Export is something that the module offers.
type Export struct {
	Name string
	Kind Kind
}

// Binary is what Inspect finds.
type Binary struct {
	Imports  []Import // in the order of the file
	Exports  []Export
	Manifest []byte // content of the custom section abi.ManifestSection, a copy; nil if there is none
	Size     int    // of the file, in bytes
}

// HasExport reports whether the binary exports this name as this kind.
func (b *Binary) HasExport(name string, kind Kind) bool {
	for _, e := range b.Exports {
		if e.Name == name && e.Kind == kind {
			return true
		}
	}
	return false
}

// Inspect reads imports, exports and the manifest of a core Wasm binary. The
// error is an *Error.
func Inspect(wasm []byte) (*Binary, error) {
	b := &Binary{Size: len(wasm)}
	err := sections(wasm, func(s section) (err error) {
		switch s.id {
		case sectionImport:
			b.Imports, err = imports(s.body)
		case sectionExport:
			b.Exports, err = exports(s.body)
		case sectionCustom:
			if s.name != abi.ManifestSection {
				return nil
			}
			if b.Manifest != nil {
				return &Error{Offset: s.start, Reason: "there are two custom sections named " + abi.ManifestSection}
			}
			b.Manifest = append([]byte{}, s.body.b[s.body.pos:]...)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func imports(r *reader) (list []Import, err error) {
	n, err := r.u32("number of imports")
	if err != nil {
		return nil, err
	}
	for range n {
		var i Import
		if i.Module, err = r.name("module of an import"); err != nil {
			return nil, err
		}
		if i.Name, err = r.name("name of an import"); err != nil {
			return nil, err
		}
		if i.Kind, err = importKind(r); err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, r.end("import section")
}

// importKind reads the kind and passes over the type.
func importKind(r *reader) (Kind, error) {
	start := r.pos
	k, err := r.byte("kind of an import")
	if err != nil {
		return 0, err
	}
	switch kind := Kind(k); kind {
	case Function:
		_, err = r.u32("type of an imported function")
		return kind, err
	case Table:
		if _, err = r.byte("type of an imported table"); err != nil {
			return kind, err
		}
		return kind, limits(r, "table")
	case Memory:
		return kind, limits(r, "memory")
	case Global:
		if _, err = r.byte("type of an imported global"); err != nil {
			return kind, err
		}
		_, err = r.byte("mutability of an imported global")
		return kind, err
	}
	return 0, r.fail(start, "imports something of kind %d, which does not exist in WebAssembly 2.0", k)
}

func limits(r *reader, what string) error {
	start := r.pos
	flags, err := r.byte("limits of an imported " + what)
	if err != nil {
		return err
	}
	if flags > 1 {
		return r.fail(start, "imported %s has limits of kind %d: shared and 64-bit ones are not allowed", what, flags)
	}
	if _, err = r.u32("minimum of an imported " + what); err == nil && flags == 1 {
		_, err = r.u32("maximum of an imported " + what)
	}
	return err
}

func exports(r *reader) (list []Export, err error) {
	n, err := r.u32("number of exports")
	if err != nil {
		return nil, err
	}
	for range n {
		var e Export
		if e.Name, err = r.name("name of an export"); err != nil {
			return nil, err
		}
		start := r.pos
		kind, err := r.byte("kind of an export")
		if err != nil {
			return nil, err
		}
		if e.Kind = Kind(kind); e.Kind > Global {
			return nil, r.fail(start, "exports something of kind %d, which does not exist in WebAssembly 2.0", kind)
		}
		if _, err := r.u32("index of an export"); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, r.end("export section")
}
