package binary

import (
	"bytes"
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/sluice-net/sluice/abi"
)

// everyKind is testdata/every-kind.wat, made by wat2wasm.
func everyKind(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile("testdata/every-kind.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func TestInspect(t *testing.T) {
	wasm := everyKind(t)
	want := &Binary{
		Imports: []Import{
			{"sluice", "recv", Function},
			{"wasi_snapshot_preview1", "proc_exit", Function},
			{"a", "table", Table},
			{"a", "memory", Memory},
			{"a", "global", Global},
		},
		Exports: []Export{{abi.Marker, Function}, {"sluice_handle", Function}, {"memory", Memory}, {"table", Table}, {"global", Global}},
		Size:    len(wasm),
	}
	got, err := Inspect(wasm)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
	}
	if !got.HasExport("memory", Memory) || got.HasExport("memory", Function) || got.HasExport("nothing", Function) {
		t.Error("HasExport")
	}
	with, err := AppendCustomSection(wasm, abi.ManifestSection, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err = Inspect(with); err != nil || string(got.Manifest) != "{}" {
		t.Errorf("manifest %q, %v", got.Manifest, err)
	}
}

func TestCustomSections(t *testing.T) {
	wasm := everyKind(t)
	long := strings.Repeat("long", 100)
	b := wasm
	var err error
	for _, s := range []struct{ name, content string }{{"a", "1"}, {"b", long}, {"", ""}, {"a", "2"}} {
		if b, err = AppendCustomSection(b, s.name, []byte(s.content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, want string
		found      bool
	}{{"a", "1", true}, {"b", long, true}, {"", "", true}, {"c", "", false}} {
		if got, found, err := CustomSection(b, c.name); err != nil || found != c.found || string(got) != c.want {
			t.Errorf("section %q: %q, %v, %v", c.name, got, found, err)
		}
	}
	// An engine reads them too.
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCustomSections(true))
	defer r.Close(ctx)
	m, err := r.CompileModule(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range m.CustomSections() {
		names = append(names, s.Name())
	}
	if !reflect.DeepEqual(names, []string{"a", "b", "", "a"}) {
		t.Errorf("the engine sees %q", names)
	}
	for _, name := range []string{"a", "b", "", "c"} {
		if b, err = WithoutCustomSection(b, name); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(b, wasm) {
		t.Error("taking the sections out again does not give the file back")
	}
}

func TestInspectRefuses(t *testing.T) {
	head := "\x00asm\x01\x00\x00\x00"
	twice, _ := AppendCustomSection([]byte(head), abi.ManifestSection, []byte("{}"))
	twice, _ = AppendCustomSection(twice, abi.ManifestSection, []byte("{}"))
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "at offset 0: this is no WebAssembly binary"},
		{"text", "(module)", "at offset 0: this is no WebAssembly binary"},
		{"component", "\x00asm\x0d\x00\x01\x00", "at offset 4: this is a WebAssembly component"},
		{"version 2", "\x00asm\x02\x00\x00\x00", "at offset 4: version is 02000000, must be 01000000"},
		{"section without length", head + "\x01", "at offset 9: length of section 1 is missing"},
		{"section cut short", head + "\x01\x05\x00", "at offset 10: section 1 has 5 bytes, but only 1 follow"},
		{"huge section", head + "\x01\xff\xff\xff\xff\x0f", "section 1 has 4294967295 bytes, but only 0 follow"},
		{"length of 33 bits", head + "\x01\xff\xff\xff\xff\x1f", "at offset 9: length of section 1 does not fit into 32 bits"},
		{"length of six bytes", head + "\x01\x80\x80\x80\x80\x80\x00", "does not fit into 32 bits"},
		{"unknown section", head + "\x0d\x00", "at offset 8: section 13 does not exist"},
		{"twice", head + "\x01\x01\x00\x01\x01\x00", "at offset 11: section 1 comes twice or too late"},
		{"late", head + "\x0a\x01\x00\x0c\x01\x00", "at offset 11: section 12 comes twice or too late"},
		{"nameless custom section", head + "\x00\x00", "length of name of a custom section is missing"},
		{"name beyond the section", head + "\x00\x02\x05a", "name of a custom section has 5 bytes, but only 1 follow"},
		{"name is not UTF-8", head + "\x00\x02\x01\xff", "at offset 11: name of a custom section is not valid UTF-8"},
		{"imports without number", head + "\x02\x00", "number of imports is missing"},
		{"four billion imports", head + "\x02\x05\xff\xff\xff\xff\x0f", "length of module of an import is missing"},
		{"import of a tag", head + "\x02\x05\x01\x00\x00\x04\x00", "at offset 13: imports something of kind 4"},
		{"shared memory", head + "\x02\x06\x01\x00\x00\x02\x03\x01", "at offset 14: imported memory has limits of kind 3"},
		{"import section with more", head + "\x02\x02\x00\x00", "at offset 11: import section has 1 bytes too many"},
		{"export of a tag", head + "\x07\x04\x01\x00\x04\x00", "at offset 12: exports something of kind 4"},
		{"export section with more", head + "\x07\x02\x00\x00", "at offset 11: export section has 1 bytes too many"},
		{"two manifests", string(twice), "at offset 28: there are two custom sections named sluice.manifest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Inspect([]byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// A file cut off anywhere is refused or, between two sections, is a smaller
// file; it never makes the reader panic.
func TestPrefixes(t *testing.T) {
	wasm := everyKind(t)
	whole := 0
	for i := range wasm {
		if _, err := Inspect(wasm[:i:i]); err == nil {
			whole++
		}
	}
	if want := 6; whole != want {
		t.Errorf("%d prefixes are whole files, want %d: one before each section", whole, want)
	}
}

func FuzzInspect(f *testing.F) {
	wasm := everyKind(f)
	f.Add(wasm)
	with, err := AppendCustomSection(wasm, abi.ManifestSection, []byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(with)
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\x05\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Inspect(b)
		if err != nil {
			return
		}
		if n := len(got.Imports) + len(got.Exports); n > len(b) {
			t.Fatalf("%d imports and exports in %d bytes", n, len(b))
		}
		without, err := WithoutCustomSection(b, abi.ManifestSection)
		if err != nil {
			t.Fatal(err)
		}
		with, err := AppendCustomSection(without, abi.ManifestSection, []byte("content"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Inspect(with)
		if err != nil || string(again.Manifest) != "content" ||
			!reflect.DeepEqual(again.Imports, got.Imports) || !reflect.DeepEqual(again.Exports, got.Exports) {
			t.Fatalf("with another manifest %+v became %+v (%v)", got, again, err)
		}
	})
}
