package jsonscan

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf8"
)

// tree reads any value into what encoding/json makes of it, with UseNumber.
func tree(d *Decoder) (any, error) {
	switch d.Kind() {
	case Object:
		m := map[string]any{}
		err := d.Object(func(key []byte) error {
			k := string(key) // valid until we return, and we read on before that
			v, err := tree(d)
			m[k] = v
			return err
		})
		return m, err
	case Array:
		list := []any{}
		err := d.Array(func() error {
			v, err := tree(d)
			list = append(list, v)
			return err
		})
		return list, err
	case String:
		return d.String()
	case Number:
		n, err := d.Number()
		return json.Number(n), err
	case Bool:
		return d.Bool()
	}
	if d.IsNull() {
		return nil, nil
	}
	return nil, d.Skip()
}

func depth(b []byte) (deepest int) {
	level, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == '{' || c == '['):
			level++
			deepest = max(deepest, level)
		case !quoted && (c == '}' || c == ']'):
			level--
		}
	}
	return deepest
}

// FuzzAgainstStandardLibrary: what encoding/json calls valid, we read, and to
// the same values; what it does not, we refuse. Two differences are meant:
// invalid UTF-8 and deep nesting are refused here.
func FuzzAgainstStandardLibrary(f *testing.F) {
	for _, seed := range []string{
		policy, ``, ` `, `null`, `nul`, `true`, `false`, `0`, `-0`, `-`, `01`, `1.`, `1.5`, `1e5`, `1E+5`, `1e`, `-1.25e-3`, `.5`, `+1`,
		`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `123456789012345678901234567890`,
		`""`, `"a`, `"\u0000"`, `"\ud800"`, `"\ud83d\ude00"`, `"\ud83d\u0041"`, `"\udc00\ud800"`, `"\ud83d\ud83d\ude00"`, `"\ud83dx"`, `"\ud83d\n"`, `"\uD83D\uDE00"`,
		`"\uFFFD\ufffd"`, `"\q"`, `"\u12"`, "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\"\xc3\xa9\"", "\"\xed\xa0\x80\"",
		`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"\u0061":1}`, `{"a"}`, `{"a":}`, `{,}`, `{"a":1,}`, `[1,2]`, `[1,]`, `[,]`, `[`, `]`, `[[[]]]`,
		`[1 2]`, `{"a" 1}`, "\ufeff1", "1 2", "[1]]", "\t\r\n 1 \n", "\v1", "1\x00", `[true,false,null,tru]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		deep := depth(b) > MaxDepth
		wantOK := json.Valid(b) && utf8.Valid(b) && !deep

		d := New(b)
		err := d.Skip()
		if err == nil {
			err = d.End()
		}
		if (err == nil) != wantOK {
			t.Fatalf("Skip gives %v for %q, which should be read: %v", err, b, wantOK)
		}

		d.Reset(b)
		got, err := tree(d)
		if err == nil {
			err = d.End()
		}
		if (err == nil) != wantOK {
			t.Fatalf("reading gives %v for %q, which should be read: %v", err, b, wantOK)
		}
		if !wantOK {
			return
		}
		std := json.NewDecoder(bytes.NewReader(b))
		std.UseNumber()
		var want any
		if err := std.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, encoding/json gives %#v", b, got, want)
		}
		if n, ok := want.(json.Number); ok {
			d.Reset(b)
			got, err := d.Int64()
			want, wantErr := strconv.ParseInt(string(n), 10, 64)
			if (err == nil) != (wantErr == nil) || err == nil && got != want {
				t.Fatalf("%q: Int64 gives %d, %v; strconv gives %d, %v", b, got, err, want, wantErr)
			}
		}
	})
}
